"""Thousands of cells, on all cores, as a table."""

from __future__ import annotations

import csv
import multiprocessing
import os
import traceback
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from tests.matrix.cells import AXES, Cell, Matrix
from tests.matrix.run import Outcome, Runner

CSV = Path(__file__).parents[2] / "reports" / "matrix.csv"
CHUNK = 36
"""Cells that one process takes at a time: neighbours have much in common."""

NOTHING = Outcome("refused")


@dataclass(frozen=True)
class Row:
    """A cell of the table; `broken` is the third state that there must not be."""

    cell: Cell
    state: Literal["trained", "refused", "broken"]
    outcome: Outcome
    message: str

    def __repr__(self) -> str:
        return f"\n{self.cell}\n  {self.state} {self.message}"


RUNNERS: list[Runner] = []
"""A process's own: what one cell finds out spares the next."""


def start(folders: Sequence[Path], steps: int) -> None:
    """Prepares a process: one thread, and warnings as strict as in the tests."""
    torch.set_num_threads(1)
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    RUNNERS.append(Runner(folders, steps))


def attempt(cell: Cell) -> Outcome | None:
    """What a cell comes to, or nothing: whoever judges it will see why."""
    try:
        return RUNNERS[0](cell)
    except Exception:
        return None


def judge(cell: Cell, runner: Runner) -> Row:
    """One row; nothing that goes wrong with it stops the others."""
    try:
        outcome = runner.judge(cell)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        return Row(cell, "broken", NOTHING, f"{type(error).__name__} at {place}: {error}")
    return Row(cell, outcome.state, outcome, outcome.message)


def judge_some(folders: Sequence[Path], steps: int, count: int, seed: int) -> list[Row]:
    """So many cells of these config folders.

    They run in many processes and are judged in one, which then knows where an override leads: most
    of the time to another cell.
    """
    cells = Matrix(folders).some(count, seed)
    spawn = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    with ProcessPoolExecutor(os.cpu_count(), spawn, start, (folders, steps)) as pool:
        outcomes = [*pool.map(attempt, cells, chunksize=CHUNK)]
    runner = Runner(folders, steps)
    runner.by_cell |= {c: o for c, o in zip(cells, outcomes, strict=True) if o is not None}
    return [judge(cell, runner) for cell in cells]


def write(rows: Sequence[Row], path: Path = CSV) -> None:
    """The table: the axes, what came of them, and the refusal."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow([*AXES, "state", "bound", "exact", "standard_error", "message"])
        for row in rows:
            found = row.outcome
            numbers = [x if x == x else "" for x in (found.bound, found.exact, found.error)]
            message = " ".join(row.message.split())
            table.writerow([*map(str, row.cell.variants), row.state, *numbers, message])
