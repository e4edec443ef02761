"""Training metrics into the history."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl

from vaebench.training.stepwise import Stepwise
from vaebench.training.system import System


class Log(Stepwise):
    """Means over the examples since the last entry, every so many steps and at an epoch's end.

    Args:
        every: steps between two entries.
    """

    def __init__(self, every: int) -> None:
        self.every = every

    def due(self, trainer: pl.Trainer, system: System) -> int:
        return system.logged + self.every

    def on_train_batch_end(self, trainer: pl.Trainer, system: System, *args: Any) -> None:
        if trainer.global_step - system.logged >= self.every:
            system.log_training()

    def on_train_epoch_end(self, trainer: pl.Trainer, system: System) -> None:
        if system.logged < trainer.global_step:
            system.log_training()
