"""Telling people how far a command has come: a live line on a terminal, elsewhere one now and then."""

from __future__ import annotations

import contextlib
import threading
from typing import ClassVar

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from vaebench import progress
from vaebench.progress import Loop

SILENCE = 25.0
"""Seconds without a word, looked at once a second: there is one every 30 s whatever the work does."""

LOOK_SECONDS, REFRESH_SECONDS = 1.0, 0.25


class Heartbeat:
    """While open, tells what is under way.

    It does so from a thread, since a single step of the work may take minutes; not where another tells
    already, of which this work is a part.

    Args:
        console: where to; one line after the other unless it is a terminal.
    """

    beats: ClassVar[bool] = False
    """Whether there is one."""

    def __init__(self, console: Console) -> None:
        self.console = console
        columns = SpinnerColumn(), BarColumn(10), TextColumn("{task.description}", markup=False)
        self.bar = Progress(*columns, console=console, auto_refresh=False, transient=True)
        self.task = self.bar.add_task("", total=1)
        self.live = console.is_terminal and not console.is_dumb_terminal
        self.over, self.thread = threading.Event(), threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Heartbeat:
        self.last = progress.clock()
        self.tells, Heartbeat.beats = not Heartbeat.beats, True
        if self.tells:
            self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        if not self.tells:
            return
        Heartbeat.beats = False
        self.over.set()
        self.thread.join()
        if self.live:
            self.bar.stop()

    def beat(self) -> None:
        """Tells, if it is time to."""
        loops = progress.under_way()
        if self.live:
            self._draw(loops)
        elif loops and progress.clock() - self.last >= SILENCE:
            self.last = progress.clock()
            told = f"  {progress.what(loops)} · {progress.when(loops)}"
            self.console.print(told, highlight=False, markup=False, soft_wrap=True)

    def _run(self) -> None:
        while not self.over.wait(REFRESH_SECONDS if self.live else LOOK_SECONDS):
            with contextlib.suppress(Exception):  # of work that was looked at half-way
                self.beat()

    def _draw(self, loops: list[Loop]) -> None:
        self.bar.start()
        # Time first: the end of a line is cut where the terminal is narrow.
        text = f"{progress.when(loops)} · {progress.what(loops)}" if loops else ""
        done = progress.fraction(loops)
        self.bar.update(self.task, completed=done, description=text, visible=bool(loops))
        self.bar.refresh()
