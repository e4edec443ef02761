"""The schedule of a run, step by step."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl

from vaebench.training.schedules import Schedule
from vaebench.training.stepwise import Stepwise
from vaebench.training.system import System


class LearningRate(Stepwise):
    """Sets the rate of every parameter group before each step, whatever was loaded before it."""

    def __init__(self, schedule: Schedule, monitor: str, mode: str) -> None:
        self.schedule, self.monitor, self.sign = schedule, monitor, 1 if mode == "max" else -1

    def before_step(self, trainer: pl.Trainer, system: System) -> None:
        factor = self.schedule.factor(trainer.global_step / total_steps(trainer))
        for group, rate in zip(trainer.optimizers[0].param_groups, system.rates, strict=True):
            group["lr"] = rate * factor

    def on_validation_end(self, trainer: pl.Trainer, system: pl.LightningModule) -> None:
        self.schedule.observe(self.sign * float(trainer.callback_metrics[self.monitor]))

    def state_dict(self) -> dict[str, Any]:
        return self.schedule.state()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state:
            self.schedule.load(state)


def total_steps(trainer: pl.Trainer) -> int:
    """Steps of the whole run."""
    by_epochs = int(trainer.num_training_batches) * (trainer.max_epochs or 0)
    return max(1, min(n for n in (by_epochs, trainer.max_steps) if n > 0))
