"""The loss through torch.compile."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vaebench.data import Batch, Spec, Support
from vaebench.errors import Incompatible
from vaebench.models import Model
from vaebench.objectives import Objective

Seen = tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]
"""Loss, terms, and new values of the objective's buffers."""

Step = Callable[[Batch, Tensor], Seen]


def plain(objective: Objective, model: Model) -> Step:
    """What an objective says of a batch."""

    def step(batch: Batch, number: Tensor) -> Seen:
        estimate = objective(model, batch, number)
        return estimate.loss, estimate.terms, estimate.state

    return step


def compiled(objective: Objective, model: Model) -> Step:
    """The same, compiled; noise is drawn as the uncompiled loss would draw it."""
    options: dict[str, str | int | bool | Callable] = {"fallback_random": True}
    return torch.compile(plain(objective, model), dynamic=False, options=options)


def check_widths(spec: Spec) -> None:
    """Refuses data whose batches differ in width."""
    if any(field.support is Support.TOKENS for field in spec.fields.values()):
        raise Incompatible(
            "trainer.compile=true: each width of a batch of sentences would be compiled anew. Use "
            "trainer.compile=false."
        )


def try_out(step: Step, batch: Batch) -> None:
    """Compiles before the run begins, forwards and backwards, without touching its noise.

    Raises:
        Incompatible: where torch cannot.
    """
    devices = [batch["x"].device] if batch["x"].device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices):
            loss, *_ = step(batch, torch.zeros((), dtype=torch.long))
            loss.backward()
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise Incompatible(
            f"trainer.compile=true: torch cannot compile this composition "
            f"({type(error).__name__}: {reason}). Use trainer.compile=false."
        ) from error
