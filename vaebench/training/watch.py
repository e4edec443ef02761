"""Watching a run: steps that are not finite, averages of weights, and posteriors that collapse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from rich.console import Console

from vaebench.config.schema import OnNan
from vaebench.runs.health import PATIENCE
from vaebench.runs.layout import LAST
from vaebench.training.diagnosis import diagnose
from vaebench.training.keeper import save
from vaebench.training.stepwise import Stepwise
from vaebench.training.system import Diverged, System

LIMIT = 100
"""Steps in a row that may be undone before a run gives up."""


class Guard(Stepwise):
    """What becomes of a step whose loss or gradient is not finite.

    Args:
        on_nan: `stop` ends the run; `skip` leaves the update out; `rollback` returns to the weights
            and the optimizer's state of the last checkpoint, and goes on with the next batch.
        folder: the run folder.
    """

    def __init__(self, on_nan: OnNan, folder: Path) -> None:
        self.on_nan, self.folder = on_nan, folder
        self.latest, self.in_a_row = -1, 0

    def on_train_start(self, trainer: pl.Trainer, system: pl.LightningModule) -> None:
        if self.on_nan is OnNan.rollback and not (self.folder / LAST).exists():
            save(trainer, self.folder)

    def not_finite(self, trainer: pl.Trainer, system: System) -> None:
        self.in_a_row = self.in_a_row + 1 if trainer.global_step == self.latest + 1 else 1
        self.latest = trainer.global_step
        if self.on_nan is OnNan.stop or self.in_a_row == LIMIT:
            often = f" ({LIMIT} steps in a row)" if self.in_a_row == LIMIT else ""
            raise Diverged(diagnose(system) + often)
        if self.on_nan is OnNan.rollback:
            self._roll_back(system, trainer.optimizers[0])

    def _roll_back(self, system: System, optimizer: torch.optim.Optimizer) -> None:
        path = self.folder / LAST
        good = torch.load(path, map_location=system.device, weights_only=True)
        system.load_state_dict(good["state_dict"])
        optimizer.load_state_dict(good["optimizer_states"][0])

    def state_dict(self) -> dict[str, Any]:
        return {"latest": self.latest, "in_a_row": self.in_a_row}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.latest, self.in_a_row = state["latest"], state["in_a_row"]


class Averaging(Stepwise):
    """Moves the average of the weights."""

    def after_step(self, trainer: pl.Trainer, system: System) -> None:
        if system.average is not None:
            system.average.update(system.model, trainer.global_step)


class Collapse(pl.Callback):
    """Warns once when no latent unit is active for several validations in a row."""

    def __init__(self, console: Console) -> None:
        self.console, self.in_a_row, self.warned = console, 0, False

    def on_validation_end(self, trainer: pl.Trainer, system: System) -> None:
        if system.model.q_is_prior:
            return  # such latents tell nothing of what is observed, and are not meant to
        inactive = system.latest.get("val/active_units") == 0
        self.in_a_row = self.in_a_row + 1 if inactive else 0
        if self.in_a_row >= PATIENCE:
            self._warn(trainer, system)

    def on_train_end(self, trainer: pl.Trainer, system: System) -> None:
        if self.in_a_row:
            self._warn(trainer, system)

    def _warn(self, trainer: pl.Trainer, system: System) -> None:
        if self.warned:
            return
        self.warned = True
        line = (
            f"posterior collapse: no latent unit is active (step {trainer.global_step}); try "
            "anneal=linear, objective.free_bits=0.1 or a smaller objective.beta"
        )
        system.notes.append(line)
        self.console.print(f"  [yellow]warning[/] {line}", highlight=False)

    def state_dict(self) -> dict[str, Any]:
        return {"in_a_row": self.in_a_row, "warned": self.warned}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.in_a_row, self.warned = state["in_a_row"], state["warned"]
