"""The one LightningModule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from vaebench.composition import Composition
from vaebench.data import Batch, Loader
from vaebench.data.seeds import (
    BINARIZATION,
    EVALUATION,
    derived,
    noise_state,
    reseed,
    set_noise_state,
)
from vaebench.inference import batch_size
from vaebench.measures.base import BATCH as EVAL_BATCH
from vaebench.measures.base import named
from vaebench.measures.terms import HeldOut, Means
from vaebench.training.average import WeightAverage
from vaebench.training.blocks import AUTO, Pending
from vaebench.training.compiled import compiled, plain
from vaebench.training.fused import blocks_of

STATE = "vaebench"
COUNTS = "epoch_loop.manual_optimization.optim_step_progress"
KEPT = ("logged", "validated", "undone", "notes", "latest")
"""What a checkpoint holds of a system as it is."""


class Diverged(RuntimeError):
    """A loss, gradient or metric that is no number."""


class System(pl.LightningModule):
    """Trains any composition.

    Args:
        composition: data, model and objective.
        optimizer: parameter groups → optimizer.
        batch_size: of training.
        seed: of the order of examples, of binarization and of all noise.
        average: decay of the moving average of the weights, which is then evaluated; 0: none.
        compiles: whether the loss is compiled, for complete batches alone.
        clip_norm: of the gradient of each parameter group; 0: none.
        block: steps of the optimizer at most in one of Lightning's batches, or `auto`.
    """

    automatic_optimization = False
    pending: Pending
    interrupted = False
    compile_seconds: float | None = None

    def __init__(
        self,
        composition: Composition,
        optimizer: Callable[[list[dict[str, Any]]], torch.optim.Optimizer],
        *,
        batch_size: int,
        seed: int,
        average: float,
        compiles: bool,
        clip_norm: float = 0.0,
        block: int | str = AUTO,
    ) -> None:
        super().__init__()
        self.composition = composition
        self.data, self.model = composition.data, composition.model
        self.objective, self.optimizer = composition.objective, optimizer
        self.batch_size, self.seed = batch_size, seed
        self.average = WeightAverage(self.model, average) if average else None
        self.compiles, self.clip_norm, self.block = compiles, clip_norm, block
        self.step = (compiled if compiles else plain)(self.objective, self.model)
        self.means, self.logged, self.validated, self.undone = Means(), 0, -1, 0
        self.latest: dict[str, float] = {}
        self.notes: list[str] = []
        self.restored: dict[str, Any] | None = None
        self.register_buffer("number", torch.zeros((), dtype=torch.long), persistent=False)

    # ------------------------------------------------------------------ data
    def train_dataloader(self) -> Loader:
        self.loader = Loader(
            self.composition.split("train").to(self.device),
            self.batch_size,
            shuffle=True,
            seed=self.seed,
            epoch=lambda: self.current_epoch,
            generator=torch.Generator(self.device).manual_seed(derived(self.seed, BINARIZATION)),
            partial=not self.compiles,
            rank=self.trainer.global_rank,
            world=self.trainer.world_size,
        )
        if self.restored is not None:
            # Not by Lightning's own protocol, which skips it after an epoch's last checkpoint.
            self.loader.load(self.restored["loader"])
        return self.loader

    def val_dataloader(self) -> Loader:
        return Loader(self.data.split("val").to(self.device), EVAL_BATCH, shuffle=False)

    # -------------------------------------------------------------- training
    def configure_optimizers(self) -> torch.optim.Optimizer:
        groups = self.objective.groups()
        own = {id(p) for group in groups for p in group["params"]}
        rest = [p for p in self.parameters() if id(p) not in own]
        optimizer = self.optimizer([{"params": rest}, *groups])
        # Before a checkpoint is loaded, whose rates are those of its own step.
        self.rates: list[float] = [group["lr"] for group in optimizer.param_groups]
        return optimizer

    def clip(self, optimizer: torch.optim.Optimizer) -> None:
        """Group by group: a discriminator's gradient must not eat the model's share."""
        if self.clip_norm:
            for group in optimizer.param_groups:
                torch.nn.utils.clip_grad_norm_(group["params"], self.clip_norm)

    @property
    def monitor(self) -> tuple[str, str]:
        """What tells good weights from better ones, and which direction is better."""
        return ("val/bound", "max") if self.objective.has_bound else ("val/loss", "min")

    def on_train_start(self) -> None:
        self.blocks = blocks_of(self, self.block)

    def training_step(self, dataloader_iter: Iterator[Any]) -> None:
        self.blocks.take(dataloader_iter)

    def accept(self, pending: Pending) -> None:
        """The step at hand counts."""
        self.objective.keep(pending.state)
        size = batch_size(pending.batch) if self.loader.share else 0
        self.means.add({"loss": pending.loss} | pending.terms, size)

    def log_training(self) -> None:
        """One entry of the history; of undone steps alone there is nothing to tell."""
        self.logged = self.global_step
        if self.means.total is None:
            return
        if self.trainer.world_size > 1:
            self.means.over(lambda x: self.trainer.strategy.reduce(x, reduce_op="sum"))
        metrics = named("train", self.means.read())
        if self.undone:
            metrics["train/undone"] = self.undone
        self.tell(metrics)

    def tell(self, metrics: dict[str, float], before: int = 0) -> None:
        """Into the history, at the step at hand or so many before.

        Raises:
            Diverged: one of them is no number.
        """
        self.latest |= metrics
        bad = [name for name, value in metrics.items() if not math.isfinite(value)]
        if bad:
            raise Diverged(f"{bad[0]} is {metrics[bad[0]]} at step {self.global_step}")
        # Not through `self.log`, which costs more than a step of a small model takes to log
        # and counts validation as one step earlier.
        for logger in self.loggers:
            logger.log_metrics(metrics, self.global_step - before)

    def at(self) -> Tensor:
        """How many steps are done, where schedules are computed."""
        return self.get_buffer("number").fill_(self.global_step)

    # ------------------------------------------------------------------ resume
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        for key in ("state_dict", "optimizer_states"):
            checkpoint[key] = whole(checkpoint[key])
        checkpoint[STATE] = {
            "noise": self._everyone(noise_state(self.device)),
            "loader": self.loader.state(),
            "means": self._everyone(self.means.state()),
        }
        checkpoint[STATE] |= {name: copy(getattr(self, name)) for name in KEPT}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.restored = checkpoint[STATE]
        # Where Lightning itself took the steps, as before there were blocks, it counted them elsewhere.
        counts = checkpoint["loops"]["fit_loop"][COUNTS]["total"]
        counts["ready"] = counts["completed"] = checkpoint["global_step"]
        for name in KEPT:
            setattr(self, name, checkpoint[STATE][name])

    def _everyone(self, state: dict[str, Any]) -> list[dict[str, Any]]:
        """What each process has, by rank."""
        states: list[Any] = [state] * self.trainer.world_size
        if len(states) > 1:
            torch.distributed.all_gather_object(states, state)
        return states

    def on_train_batch_start(self, batch: Batch | None, index: int) -> None:
        # At the first batch, since whatever Lightning does before it may draw numbers.
        if self.restored is None:
            return
        rank = self.trainer.global_rank
        set_noise_state(self.device, self.restored["noise"][rank])
        self.means.load(self.restored["means"][rank])
        self.restored = None

    # ------------------------------------------------------------ validation
    def on_validation_epoch_start(self) -> None:
        """Validation has randomness of its own, the same at each pass, and leaves training's alone."""
        self._exchange_average()
        self.held_out = HeldOut(self.model, self.objective)
        self.training_noise = noise_state(self.device)
        reseed(self.device, derived(0, EVALUATION))

    def validation_step(self, batch: Batch, index: int) -> None:
        self.held_out.add(batch, self.at())

    def on_validation_epoch_end(self) -> None:
        metrics = named("val", self.held_out.read())
        # For the choice of the best checkpoint, and callbacks; what is told of each dimension of a
        # latent would cost more than the validation.
        whole = {name: value for name, value in metrics.items() if name.startswith("val/")}
        # Not through `self.log_dict` either.
        self.trainer.callback_metrics.update({n: torch.tensor(v) for n, v in whole.items()})
        self.tell(metrics)
        self.validated = self.global_step
        set_noise_state(self.device, self.training_noise)
        self._exchange_average()

    def _exchange_average(self) -> None:
        if self.average is not None:
            self.average.swap(self.model)


def whole(value: Any) -> Any:
    """The same, of tensors that are slices of larger ones their values alone: else those would be
    saved as well."""
    if isinstance(value, Tensor):
        return value.clone() if value.untyped_storage().nbytes() > value.nbytes else value
    if isinstance(value, Mapping):
        return {name: whole(one) for name, one in value.items()}
    return [whole(one) for one in value] if isinstance(value, list) else value
