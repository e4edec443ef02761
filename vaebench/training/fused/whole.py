"""The common step of a stack: all that it leaves behind, in one function that can be compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Whole = Callable[..., tuple[dict[str, Tensor], Tensor, Tensor, dict[str, Tensor]]]


def whole(step: Callable[..., Any]) -> Whole:
    """Gradients of each job by name; what is finite if its loss and all gradients are, `[J]`; the
    means of loss and terms, `[J, T]`; and the objective's new state."""

    def run(*given: Any) -> Any:
        gradients, (loss, (terms, state)) = step(*given)
        norms = [torch.linalg.vector_norm(g.reshape(len(g), -1), dim=1) for g in gradients.values()]
        seen = torch.stack([loss, *norms]).sum(0)
        told = torch.stack([loss, *map(_mean, terms.values())], 1)
        return gradients, seen, told, state

    return run


def compiled(run: Whole) -> Whole:
    """The same, compiled; on a GPU one graph."""
    torch._dynamo.config.trace_autograd_ops = True
    options: dict[str, Any] = {"triton.cudagraphs": True}
    return torch.compile(run, dynamic=False, options=options)


def _mean(term: Tensor) -> Tensor:
    """Over the examples of each job, `[J]`; of a job's state, such as a multiplier, it is that."""
    return term.flatten(1).mean(1) if term.ndim > 1 else term
