"""The loss through torch.compile."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

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
    """The same, compiled, and on a GPU replayed as one graph each forwards and backwards; noise is
    drawn as the uncompiled loss would draw it."""
    # Whatever refines samples along a gradient is differentiated once more.
    torch._dynamo.config.trace_autograd_ops = True
    options: dict[str, Any] = {"fallback_random": True, "triton.cudagraphs": True}
    run: Step = torch.compile(plain(objective, model), dynamic=False, options=options)

    def step(batch: Batch, number: Tensor) -> Seen:
        torch.compiler.cudagraph_mark_step_begin()  # nobody reads what the step before gave
        return run(batch, number)

    return step


def check_widths(spec: Spec) -> None:
    """Refuses data whose batches differ in width."""
    if any(field.support is Support.TOKENS for field in spec.fields.values()):
        raise Incompatible(
            "trainer.compile=true: each width of a batch of sentences would be compiled anew. Use "
            "trainer.compile=false."
        )


def try_out(step: Step, batch: Batch) -> float:
    """Compiles before the run begins, forwards and backwards, without touching its noise; the seconds
    it took, few where an earlier run compiled the same.

    Raises:
        Incompatible: where torch cannot.
    """
    devices = [batch["x"].device] if batch["x"].device.type == "cuda" else []
    begun = time.perf_counter()
    try:
        with torch.random.fork_rng(devices=devices):
            at = torch.zeros((), dtype=torch.long, device=batch["x"].device)
            loss, *_ = step(batch, at)
            loss.backward()
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise Incompatible(
            f"trainer.compile=true: torch cannot compile this composition "
            f"({type(error).__name__}: {reason}). Use trainer.compile=false."
        ) from error
    return time.perf_counter() - begun
