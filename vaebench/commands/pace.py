"""Where a grid is, and how long it may still take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import mean
from typing import TYPE_CHECKING

from vaebench import progress
from vaebench.progress import doing, duration
from vaebench.runs.layout import SUMMARY

if TYPE_CHECKING:
    from vaebench.runs.grid import Cell


@dataclass
class Pace:
    """Of the jobs of a grid that one process runs, one after the other.

    Attributes:
        seconds: what each took.
    """

    seconds: list[float] = field(default_factory=list)

    @contextmanager
    def job(self, number: int, jobs: Sequence[Cell]) -> Iterator[None]:
        """While open, this job runs."""
        begun = progress.clock()
        with doing(f"job {number}{self.place(number, jobs)}"):
            yield
        self.seconds.append(progress.clock() - begun)

    def place(self, number: int, jobs: Sequence[Cell]) -> str:
        """` · 5 of 12`; nothing where nobody knows how many there are."""
        return f" · {number + 1} of {len(jobs)}" if jobs else ""

    def left(self, number: int, jobs: Sequence[Cell]) -> str:
        """`, about 2 min left`, once a job has been run: those that are finished take no time."""
        unfinished = [c for c in jobs[number:] if not (c.folder / SUMMARY).exists()]
        if not self.seconds or not unfinished:
            return ""
        return f", about {duration(mean(self.seconds) * len(unfinished))} left"
