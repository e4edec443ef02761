"""metrics.csv: written while a run trains, read by curves, comparisons and a run that goes on."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from vaebench.runs.write import write_whole

STEP = "step"
Row = dict[str, str]


class HistoryFile:
    """One row a step, column `step` first; a metric that appears late gets its column.

    Args:
        path: of the file, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.columns = [STEP]
        self.row: dict[str, Any] = {}
        self.begins = 0  # where the row at hand begins in the file

    def rewind(self, step: int) -> None:
        """Forget what came after a step, to continue from its checkpoint."""
        if not self.path.exists():
            return
        self.columns, _ = _read(self.path)
        rows = [row for row in read_rows(self.path) if int(row[STEP]) <= step]
        at_hand = rows.pop() if rows else {}
        self._rewrite(rows)
        self.row = {name: value for name, value in at_hand.items() if value}
        if self.row:
            self.row[STEP] = int(self.row[STEP])
            self._write()

    def add(self, metrics: Mapping[str, float], step: int | None) -> None:
        """What is known of a step; together with what was known of it before."""
        new = {STEP: step} | dict(metrics)
        same = self.row.get(STEP) == step
        self.row = self.row | new if same else new
        if not same and self.path.exists():
            self.begins = self.path.stat().st_size
        late = [name for name in new if name not in self.columns]
        if late or not self.path.exists():
            self.columns += late
            self._rewrite([row for row in read_rows(self.path) if row[STEP] != str(step)])
        self._write()

    def _write(self) -> None:
        """The row at hand, in place of what is known of it already."""
        line = io.StringIO()
        csv.DictWriter(line, self.columns).writerow(self.row)
        with self.path.open("r+b") as file:
            file.truncate(self.begins)
            file.seek(self.begins)
            file.write(line.getvalue().encode())

    def _rewrite(self, rows: Sequence[Row]) -> None:
        """The whole file, but for the row at hand."""
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns)
        writer.writeheader()
        writer.writerows(rows)
        write_whole(self.path, text.getvalue())
        self.begins = self.path.stat().st_size


def read_rows(path: Path) -> list[Row]:
    """The rows as they are written; none where there is no file."""
    names, rows = _read(path)
    return [dict(zip_longest(names, row[: len(names)], fillvalue="")) for row in rows]


def read_arrays(path: Path, whole: bool = False) -> dict[str, np.ndarray[Any, Any]]:
    """Column → its values, `step` among them; not a number where a row has no entry.

    Args:
        path: of the file.
        whole: leave out a last line without an end, which somebody is about to write: half of its
            last number is a number too.
    """
    names, rows = _read(path, whole)
    columns = zip_longest(*rows, fillvalue="")
    return {n: np.array([*map(_number, cells)]) for n, cells in zip(names, columns, strict=False)}


def _read(path: Path, whole: bool = False) -> tuple[list[str], list[list[str]]]:
    """The names of the columns, and the rows; the last may be short, where a run was killed."""
    if not path.exists():
        return [], []
    text = path.read_bytes().decode(errors="replace")  # at once: the next look may see other rows
    text = text[: text.rfind("\n") + 1] if whole else text
    lines = [line for line in csv.reader(io.StringIO(text, newline="")) if line]
    return (lines[0], lines[1:]) if lines else ([], [])


def _number(text: str) -> float:
    """What stands in a cell, or was to stand there."""
    try:
        return float(text) if text else math.nan
    except ValueError:
        return math.nan
