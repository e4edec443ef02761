"""clock.csv: when the steps of a history were taken, and how many a run is to take."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from vaebench.runs.history import read_arrays
from vaebench.runs.write import write_whole

HEADER = "step,seconds,epoch,of"


class ClockFile:
    """A row a step of the history: seconds of training so far, epochs, and the steps of the whole run.

    It is no part of the history, which is the same to the bit however fast a machine is.

    Args:
        path: of the file, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.step, self.before, self.begun = -1, 0.0, 0.0
        self.steps, self.batches = 0, 0

    def rewind(self, step: int) -> None:
        """Forget what came after a step, to go on from the seconds that it had taken."""
        rows = [line for line in _lines(self.path) if int(line.split(",")[0]) <= step]
        if rows:
            self.step, self.before = step, float(rows[-1].split(",")[1])
        if self.path.exists():
            write_whole(self.path, "\n".join([HEADER, *rows]) + "\n")

    def begin(self, steps: int, batches: int) -> None:
        """Training starts, or goes on.

        Args:
            steps: of the whole run.
            batches: of an epoch.
        """
        self.begun, self.steps, self.batches = time.monotonic(), steps, batches

    def tick(self, step: int) -> None:
        """The history has an entry of this step; what precedes or follows training has no time."""
        if not self.steps or step <= self.step:
            return
        self.step = step
        seconds = self.before + time.monotonic() - self.begun
        head = "" if self.path.exists() else f"{HEADER}\n"
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{head}{step},{seconds:.3f},{step / self.batches:.6g},{self.steps}\n")


def _lines(path: Path) -> list[str]:
    """The rows that are whole: a run that was killed may have left half of one."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    return [line for line in lines if line.count(",") == HEADER.count(",")]


def read_clock(path: Path) -> dict[str, np.ndarray]:
    """`step`, `seconds`, `epoch` and `of`; nothing where a run kept none."""
    found = read_arrays(path, whole=True)
    if not set(HEADER.split(",")) <= set(found):
        return {}
    whole = np.isfinite([found[name] for name in HEADER.split(",")]).all(axis=0)
    return {name: found[name][whole] for name in HEADER.split(",")}
