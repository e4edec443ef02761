"""What a run says of how far it is: ten lines in all, and to whoever asks."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack
from typing import Any

import pytorch_lightning as pl
from rich.console import Console

from vaebench.progress import Loop, doing
from vaebench.training.learning_rate import total_steps
from vaebench.training.loggers import History
from vaebench.training.system import System

LINES = 10


class Bar(pl.Callback):
    """Epoch, step and the bound (or the loss where there is no bound).

    Nothing happens at a step: whoever wants to know between the lines reads Lightning's own counts.
    """

    def __init__(self, console: Console) -> None:
        self.console, self.printed = console, -1
        self.training, self.evaluation = ExitStack(), ExitStack()

    def on_train_start(self, trainer: pl.Trainer, system: System) -> None:
        self.begun, steps = time.monotonic(), Steps(trainer, system)
        self.total = steps.total
        for logger in trainer.loggers:
            if isinstance(logger, History):
                logger.clock.begin(self.total, int(trainer.num_training_batches))
        self.training.enter_context(doing(steps))

    def on_train_epoch_end(self, trainer: pl.Trainer, system: System) -> None:
        part = LINES * trainer.global_step // self.total
        if part > self.printed and not self.console.is_terminal:
            self.printed = part
            self._say(trainer, system)

    def on_train_end(self, trainer: pl.Trainer, system: System) -> None:
        self.training.close()
        if self.console.is_terminal:
            self._say(trainer, system)

    def _say(self, trainer: pl.Trainer, system: System) -> None:
        seconds = time.monotonic() - self.begun
        self.console.print(f"  {status(trainer, system)} · {seconds:.0f} s", highlight=False)

    def on_validation_start(self, trainer: pl.Trainer, system: System) -> None:
        batches = Loop("validating", int(sum(trainer.num_val_batches)))
        self.batches = self.evaluation.enter_context(doing(batches))

    def on_validation_batch_end(self, *args: Any) -> None:
        self.batches.done += 1

    def on_validation_end(self, trainer: pl.Trainer, system: System) -> None:
        self.evaluation.close()

    def on_exception(self, trainer: pl.Trainer, system: System, error: BaseException) -> None:
        self.training.close()
        self.evaluation.close()


class Steps(Loop):
    """The steps of a run, from where it begins or continues."""

    def __init__(self, trainer: pl.Trainer, system: System) -> None:
        super().__init__("training", total_steps(trainer), trainer.global_step)
        self.trainer, self.system = trainer, system

    def count(self) -> int:
        return self.trainer.global_step

    def text(self) -> str:
        return status(self.trainer, self.system)


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
