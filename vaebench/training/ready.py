"""Whether a run may begin, as far as that is known without Lightning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from omegaconf import DictConfig

from vaebench.composition import Composition, compose, instantiate
from vaebench.config.chosen import chosen, typed
from vaebench.config.schema import Precision
from vaebench.errors import Refusal
from vaebench.nets.precision import Multiplies
from vaebench.training.asked import check_measures
from vaebench.training.checkpoints import initialise
from vaebench.training.compiled import Step, check_widths, compiled, try_out
from vaebench.training.machine import device_of, multiplies_bfloat16
from vaebench.training.rejected import rejected

MakesOptimizer = Callable[[list[dict[str, Any]]], torch.optim.Optimizer]


def rehearsed(cfg: DictConfig) -> tuple[Composition, torch.device]:
    """All that can be refused of a run in one process, without callbacks of its own, and where it
    would train.

    Raises:
        Refusal: what does not go together, or not on this machine.
    """
    composition = compose(cfg)
    check_run(cfg, composition)
    if typed("optimizer"):  # whose first use imports a compiler
        optimizer_of(cfg, composition)
    fit_out(cfg, composition)
    instantiate(cfg.schedule)
    device = device_of("trainer.accelerator", cfg.trainer.accelerator.value)
    check_precision(cfg, device)
    if cfg.trainer.compile:
        step = compiled(composition.objective.to(device), composition.model.to(device))
        rehearse(composition, step, cfg.trainer.batch_size)
    return composition, device


def rehearse(composition: Composition, step: Step, batch_size: int) -> float:
    """Compiles the loss for a run's own batches, where its weights are, before the run begins; the
    seconds it took.

    Raises:
        Incompatible: where torch cannot.
    """
    check_widths(composition.data.spec)
    device = next(composition.model.parameters()).device
    split = composition.split("train").first(batch_size).to(device)
    return try_out(step, split.batch(torch.arange(len(split), device=device)))


def check_run(cfg: DictConfig, composition: Composition) -> None:
    """Refuses measures that do not apply, and to train nothing."""
    check_measures(cfg, composition)
    check_epochs(cfg, composition)


def check_epochs(cfg: DictConfig, composition: Composition) -> None:
    """Refuses to train nothing, but for a model that needs no training.

    Raises:
        Refusal: naming the option.
    """
    if cfg.trainer.max_epochs == 0 and not composition.model.solves:
        why = f"{chosen('model')} with these parts is found by training alone"
        raise Refusal(f"trainer.max_epochs=0: must be at least 1, since {why}.")


def fit_out(cfg: DictConfig, composition: Composition) -> None:
    """The model gets its precision, and the weights that it starts from.

    Raises:
        Refusal: where these do not fit.
    """
    if cfg.init_from:
        initialise(composition.model, cfg.init_from)
    _set_precision(composition, cfg.trainer.precision)


def optimizer_of(cfg: DictConfig, composition: Composition) -> MakesOptimizer:
    """What makes the optimizer, tried once.

    Raises:
        Refusal: where it rejects its options.
    """
    optimizer: MakesOptimizer = instantiate(cfg.optimizer)
    try:
        optimizer([{"params": list(composition.model.parameters())}])
    except ValueError as error:
        raise Refusal(rejected(cfg.optimizer, error)) from error
    return optimizer


def _set_precision(composition: Composition, precision: Precision) -> None:
    nets = [m for m in composition.model.modules() if isinstance(m, Multiplies)]
    if precision is not Precision.float32 and not nets:
        raise Refusal(
            f"trainer.precision={precision.value} is of the products of nets, and "
            f"{chosen('model')} has none. Use trainer.precision=float32."
        )
    for net in nets:
        net.precision = getattr(torch, precision.value)


def check_precision(cfg: DictConfig, device: torch.device) -> None:
    """Refuses a precision that only slows a device down.

    Raises:
        Refusal: naming the option.
    """
    if cfg.trainer.precision is Precision.bfloat16 and not multiplies_bfloat16(device):
        raise Refusal(
            "trainer.precision=bfloat16: this CPU has no such products, and would train several "
            "times slower than in float32. Use trainer.precision=float32."
        )
