"""The jobs of a grid: what is left to do of each, and the table at its end."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console

from vaebench import __version__
from vaebench.commands.compare import show
from vaebench.errors import Refusal
from vaebench.measures.runs import ERROR, NOT_A_CHOICE, Run, find, first_line, option_of, words_of
from vaebench.measures.tables import Lost
from vaebench.suggest import use

REFUSED = "refused: "

ELSEWHERE = ("config.data_dir", "config.dataset.data_dir")
"""Options that may differ between two calls of a command without making another run of it."""


@dataclass(frozen=True)
class Cell:
    """A job of a grid.

    Attributes:
        name: for people, e.g. `job 3 (k=5)`.
        folder: of its run.
        words: its overrides, what the grid chose for it among them.
        digest: of its composed config.
    """

    name: str
    folder: Path
    words: tuple[str, ...]
    digest: str = ""


def finished(cfg: DictConfig, folder: Path) -> dict[str, Any] | None:
    """The summary of a job that an earlier call of the same command has finished.

    Raises:
        Refusal: the folder holds a run of other options.
    """
    from vaebench.commands.train import config_of  # torch: not for who only reads folders

    summary = summary_in(folder)
    if summary is None:
        return None
    for name, value in config_of(cfg).items():
        if name not in ELSEWHERE and summary.get(name) != value:
            raise Refusal(
                f"{folder} holds a run with {name.removeprefix('config.')}={summary.get(name)}, not "
                f"{value}.{use(f'hydra.sweep.dir={folder.parent}-2')}"
            )
    return summary


def summary_in(folder: Path) -> dict[str, Any] | None:
    """The summary of the run of this folder; one that cannot be read is no result either."""
    return next((run.summary for run in find([folder]).runs if run.folder == folder), None)


def already(folder: Path, summary: Mapping[str, Any]) -> str:
    """Word of a job that an earlier call has finished, and of the version that it was."""
    version = summary["versions.vaebench"]
    by = "" if version == __version__ else f", by vaebench {version}: this is {__version__}"
    return f"finished already in {os.path.relpath(folder)}{by}"


def note_refusal(folder: Path, line: str) -> None:
    """Leaves word of a job that never began; its process may not be the one that reports."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ERROR).write_text(f"{REFUSED}{line}\n", encoding="utf-8")


def report(grid: Path, jobs: Sequence[Cell]) -> bool | None:
    """Prints the table of a grid, and a line on standard error for each job that has no result.

    Args:
        grid: the folder of all its jobs.
        jobs: empty where a search decided on them as it went.

    Returns:
        None: all finished; True: some failed; False: those that did not finish were refused.
    """
    found = find([cell.folder for cell in jobs if cell.folder.exists()] or [grid])
    console = Console()
    if found.runs:
        console.print()
        cells = jobs or _cells_in(grid)
        show(found, console, swept=swept(cells), lost=lost(cells, found.runs))
    done = {run.folder for run in found.runs}
    missing = {cell.name: _reason(cell.folder) for cell in jobs if cell.folder not in done}
    for name, reason in missing.items():
        sys.stderr.write(f"vaebench: {name}: {reason.removeprefix(REFUSED)}\n")
    count = f"{len(done)} of {len(jobs) or len(done) + len(found.skipped)} jobs finished"
    console.print(f"{count} in {os.path.relpath(grid)}", highlight=False, soft_wrap=True)
    if any(list(folder.glob("wandb/offline-run-*")) for folder in done):
        line = f"to upload   wandb sync {os.path.relpath(grid)}/*/wandb/offline-run-*"
        console.print(line, highlight=False, soft_wrap=True)
    if not missing:
        return None
    console.print("the same command again runs those that are left", highlight=False)
    return not all(reason.startswith(REFUSED) for reason in missing.values())


def _cells_in(grid: Path) -> list[Cell]:
    """The jobs that a search has left in its folder."""
    folders = sorted(path.parent for path in grid.glob("*/.hydra"))
    return [Cell(f"job {f.name}", f, tuple(words_of(f))) for f in folders]


def swept(cells: Sequence[Cell]) -> list[str]:
    """The options that a grid varies, but for what makes no other experiment."""
    values: dict[str, set[str]] = {}
    for cell in cells:
        for word in cell.words:
            values.setdefault(option_of(word), set()).add(word)
    return [name for name, words in values.items() if len(words) > 1 and name not in NOT_A_CHOICE]


def lost(cells: Sequence[Cell], runs: Sequence[Run]) -> list[Lost]:
    """The cells without a result, those that differ by their seed alone together."""
    done, keys = {run.folder for run in runs}, swept(cells)
    found: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for cell in cells:
        if cell.folder not in done:
            options = chosen(cell)
            seeds = [options["seed"]] if "seed" in options else []
            reason = (tuple(options.get(key, "–") for key in keys), _told(_reason(cell.folder)))
            found.setdefault(reason, []).extend(seeds)
    several = len({seed for cell in cells if (seed := chosen(cell).get("seed"))}) > 1
    return [
        Lost(dict(zip(keys, values, strict=True)), reason, tuple(seeds) if several else ())
        for (values, reason), seeds in found.items()
    ]


def chosen(cell: Cell) -> dict[str, str]:
    """Option → its value, as a table shows it: `lr=1e-3` is 0.001."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_overrides(list(cell.words))
    return {p.key_or_group.lstrip("+~"): str(p.value()) for p in parsed}


def _told(reason: str) -> str:
    """A reason as a table has room for: what went wrong, and not what is left."""
    return reason.replace("the run failed: ", "failed: ", 1).partition("; ")[0]


def _reason(folder: Path) -> str:
    """Why a job has no result."""
    path = folder / ERROR
    return first_line(path) if path.exists() else "did not finish"
