"""The one LightningModule."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from vaebench.compose import Composition
from vaebench.data import Batch, Loader, Part
from vaebench.data.seeds import BINARIZATION, EVALUATION, derived
from vaebench.distributions import Noise
from vaebench.inference import batch_size
from vaebench.measures.likelihood import likelihood_metrics, log_likelihood

EVAL_BATCH = 250
STATE = "vaebench"


class Diverged(RuntimeError):
    """A loss that is no number."""


class Means:
    """Means over examples, summed on the device and read once."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.total: Tensor | None = None
        self.count = 0

    def add(self, terms: dict[str, Tensor], size: int) -> None:
        """Adds a batch's means; the same names at every call."""
        self.names = list(terms)
        means = torch.stack([term.detach().mean() for term in terms.values()]) * size
        self.total = means if self.total is None else self.total + means
        self.count += size

    def state(self) -> dict[str, Any]:
        """Plain values and tensors, for a checkpoint."""
        return {"names": self.names, "total": self.total, "count": self.count}

    def load(self, state: dict[str, Any]) -> None:
        """What `state` gave."""
        self.names, self.total, self.count = state["names"], state["total"], state["count"]

    def read(self, part: Part) -> dict[str, float]:
        """`part/name` → mean, and a fresh start."""
        values = [] if self.total is None else (self.total / self.count).tolist()
        self.total, self.count = None, 0
        return {f"{part}/{name}": v for name, v in zip(self.names, values, strict=True)}


class System(pl.LightningModule):
    """Trains any composition.

    Args:
        composition: data, model and objective.
        optimizer: parameter groups → optimizer.
        batch_size: of training.
        seed: of the order of examples, of binarization and of all noise.
        eval_k: samples of the test likelihood.
        eval_examples: how many test examples; 0: all.
    """

    def __init__(
        self,
        composition: Composition,
        optimizer: Callable[[list[dict[str, Any]]], torch.optim.Optimizer],
        *,
        batch_size: int,
        seed: int,
        eval_k: int,
        eval_examples: int,
    ) -> None:
        super().__init__()
        self.data, self.model = composition.data, composition.model
        self.objective, self.optimizer = composition.objective, optimizer
        self.batch_size, self.seed = batch_size, seed
        self.eval_k, self.eval_examples = eval_k, eval_examples
        self.means, self.logged, self.validated = Means(), 0, -1
        self.latest: dict[str, float] = {}
        self.test: dict[str, list[Tensor]] = {}
        self.restored: dict[str, Any] | None = None

    # ------------------------------------------------------------------ data
    def train_dataloader(self) -> Loader:
        self.loader = Loader(
            self.data.split("train").to(self.device),
            self.batch_size,
            shuffle=True,
            seed=self.seed,
            epoch=lambda: self.current_epoch,
            generator=self._generator(derived(self.seed, BINARIZATION)),
        )
        if self.restored is not None:
            # Not by Lightning's own protocol, which skips it after an epoch's last checkpoint.
            self.loader.load(self.restored["loader"])
        return self.loader

    def _generator(self, seed: int) -> torch.Generator:
        return torch.Generator(self.device).manual_seed(seed)

    def val_dataloader(self) -> Loader:
        return self._held_out("val")

    def test_dataloader(self) -> Loader:
        return self._held_out("test", self.eval_examples)

    def _held_out(self, part: Part, limit: int = 0) -> Loader:
        split = self.data.split(part).to(self.device)
        return Loader(split.first(limit) if limit else split, EVAL_BATCH, shuffle=False)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, index: int) -> Batch:
        return batch  # sliced on the device already

    # -------------------------------------------------------------- training
    def configure_optimizers(self) -> torch.optim.Optimizer:
        groups = self.objective.groups()
        own = {id(p) for group in groups for p in group["params"]}
        rest = [p for p in self.parameters() if id(p) not in own]
        return self.optimizer([{"params": rest}, *groups])

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        # Group by group: a discriminator's gradient must not eat the model's share.
        if gradient_clip_val:
            for group in optimizer.param_groups:
                torch.nn.utils.clip_grad_norm_(group["params"], gradient_clip_val)

    @property
    def monitor(self) -> tuple[str, str]:
        """What tells good weights from better ones, and which direction is better."""
        return ("val/bound", "max") if self.objective.has_bound else ("val/loss", "min")

    def training_step(self, batch: Batch, index: int) -> Tensor:
        estimate = self.objective(self.model, batch, self._step())
        size = batch_size(batch)
        self.means.add({"loss": estimate.loss} | estimate.terms, size)
        return estimate.loss

    def log_training(self) -> None:
        """One entry of the history, and a look for what is no number."""
        self.latest |= (metrics := self.means.read("train"))
        self.logged = self.global_step
        self._log(metrics)

    def _log(self, metrics: dict[str, float]) -> None:
        bad = [name for name, value in metrics.items() if not math.isfinite(value)]
        if bad:
            raise Diverged(f"{bad[0]} is {metrics[bad[0]]} at step {self.global_step}")
        # Not through `self.log`, which costs more than a step of a small model takes to log
        # and counts validation as one step earlier.
        for logger in self.loggers:
            logger.log_metrics(metrics, self.global_step)

    def _step(self) -> Tensor:
        return torch.tensor(self.global_step)

    # ------------------------------------------------------------------ resume
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[STATE] = {
            "noise": noise_state(self.device),
            "loader": self.loader.state(),
            "means": self.means.state(),
            "logged": self.logged,
            "validated": self.validated,
            "latest": dict(self.latest),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        state = checkpoint[STATE]
        self.means.load(state["means"])
        self.logged, self.validated = state["logged"], state["validated"]
        self.latest, self.restored = state["latest"], state

    def on_train_batch_start(self, batch: Batch, index: int) -> None:
        # At the first batch, since whatever Lightning does before it may draw numbers.
        if self.restored is None:
            return
        set_noise_state(self.device, self.restored["noise"])
        self.restored = None

    # ------------------------------------------------------------ evaluation
    def on_validation_epoch_start(self) -> None:
        self._begin_evaluation()

    def validation_step(self, batch: Batch, index: int) -> None:
        estimate = self.objective(self.model, batch, self._step())
        self.held_out.add({"loss": estimate.loss} | estimate.terms, batch_size(batch))

    def on_validation_epoch_end(self) -> None:
        self.latest |= (metrics := self.held_out.read("val"))
        self.log_dict(metrics, logger=False)  # for the choice of the best checkpoint
        self._log(metrics)
        self.validated = self.global_step
        self._end_evaluation()

    def on_test_epoch_start(self) -> None:
        self._begin_evaluation()
        self.noise = Noise(self._generator(derived(0, EVALUATION, 1)))
        self.test = {}

    def test_step(self, batch: Batch, index: int) -> None:
        estimate = self.objective(self.model, batch, self._step())
        self.held_out.add({"loss": estimate.loss} | estimate.terms, batch_size(batch))
        if not self.objective.has_bound:
            return
        self._keep("log_p", log_likelihood(self.model, batch, self.eval_k, self.noise))
        exact = self.data.exact_log_prob(batch)
        if exact is not None:
            self._keep("exact", exact)

    def on_test_epoch_end(self) -> None:
        metrics = self.held_out.read("test")
        per_example = {name: torch.cat(parts) for name, parts in self.test.items()}
        if "log_p" in per_example:
            metrics |= likelihood_metrics(per_example["log_p"], self.model)
        if "exact" in per_example:
            metrics["test/exact_nll"] = -per_example["exact"].mean().item()
        self.latest |= metrics
        self._log(metrics)
        self._end_evaluation()

    def _keep(self, name: str, values: Tensor) -> None:
        self.test.setdefault(name, []).append(values)

    def _begin_evaluation(self) -> None:
        """Evaluation has randomness of its own, the same at each pass, and leaves training's alone."""
        self.held_out = Means()
        self.training_noise = noise_state(self.device)
        torch.manual_seed(derived(0, EVALUATION))

    def _end_evaluation(self) -> None:
        set_noise_state(self.device, self.training_noise)


def noise_state(device: torch.device) -> dict[str, Tensor]:
    """Where the global generators stand: the CPU's, and the device's."""
    state = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        state[device.type] = getattr(torch, device.type).get_rng_state()
    return state


def set_noise_state(device: torch.device, state: dict[str, Tensor]) -> None:
    """What `noise_state` gave; a checkpoint of another kind of device brings the CPU's alone."""
    torch.set_rng_state(state["cpu"])
    if device.type in state and device.type != "cpu":
        getattr(torch, device.type).set_rng_state(state[device.type])
