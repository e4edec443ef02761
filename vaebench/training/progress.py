"""The progress bar of a run: a bar on a terminal, ten lines elsewhere."""

from __future__ import annotations

import math
import time
from typing import Any

import pytorch_lightning as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from vaebench.training.schedules import total_steps
from vaebench.training.system import System

LINES = 10
REFRESH_SECONDS = 0.25


class Bar(pl.Callback):
    """Epoch, step and the bound (or the loss where there is no bound)."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress: Progress | None = None
        self.printed = -1

    def on_train_start(self, trainer: pl.Trainer, system: System) -> None:
        self.total, self.begun, self.drawn = total_steps(trainer), time.monotonic(), 0.0
        if self.console.is_terminal:
            columns = (SpinnerColumn(), BarColumn(), TextColumn("{task.description}"))
            self.progress = Progress(
                *columns, TimeRemainingColumn(), console=self.console, auto_refresh=False
            )
            self.task = self.progress.add_task("", total=self.total)
            self.progress.start()

    def on_train_batch_end(self, trainer: pl.Trainer, system: System, *args: Any) -> None:
        # Asked for each step, drawn by the clock: at most a few redraws a second.
        now = time.monotonic()
        if self.progress is None or now - self.drawn < REFRESH_SECONDS:
            return
        self.drawn = now
        text = status(trainer, system)
        self.progress.update(self.task, completed=trainer.global_step, description=text)
        self.progress.refresh()

    def on_train_epoch_end(self, trainer: pl.Trainer, system: System) -> None:
        part = LINES * trainer.global_step // self.total
        if self.progress is None and part > self.printed:
            self.printed = part
            seconds = time.monotonic() - self.begun
            self.console.print(f"  {status(trainer, system)} · {seconds:.0f} s", highlight=False)

    def on_train_end(self, trainer: pl.Trainer, system: System) -> None:
        self._stop(trainer, system)

    def on_exception(self, trainer: pl.Trainer, system: System, error: BaseException) -> None:
        self._stop(trainer, system)

    def _stop(self, trainer: pl.Trainer, system: System) -> None:
        if self.progress is not None:
            text = status(trainer, system)
            self.progress.update(self.task, completed=trainer.global_step, description=text)
            self.progress.stop()
            self.progress = None


def status(trainer: pl.Trainer, system: System) -> str:
    """One line: where the run is and how it does."""
    name = "bound" if system.objective.has_bound else "loss"
    shown = [
        f"{part} {name} {system.latest[f'{part}/{name}']:.2f}"
        for part in ("train", "val")
        if f"{part}/{name}" in system.latest
    ]
    epoch = math.ceil(trainer.global_step / int(trainer.num_training_batches))
    where = f"epoch {epoch} · step {trainer.global_step}"
    return " · ".join([where, *shown])
