"""A step as a function of all that it depends on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from vaebench.data import Batch
from vaebench.distributions import Noise
from vaebench.inference import Kept
from vaebench.models import Model
from vaebench.objectives.base import Objective

Seen = tuple[Tensor, tuple[dict[str, Tensor], dict[str, Tensor]]]
"""A loss, and the terms and the objective's new state beside it."""


class Step(nn.Module):
    """A model and its objective as one module, whose call is a pure function of its parameters,
    its buffers and what it is given.

    Args:
        model: which is trained.
        objective: on what.
    """

    def __init__(self, model: Model, objective: Objective) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, batch: Batch, step: Tensor, noise: Noise) -> Seen:
        estimate = self.objective(self.model, batch, step, noise)
        return estimate.loss, (estimate.terms, estimate.state)


Tensors = Mapping[str, Tensor]
Vectorised = Callable[
    [Tensors, Tensors, Batch, Tensor, Sequence[Tensor]], tuple[dict[str, Tensor], Seen]
]
"""Parameters, buffers, batches and noise of several jobs, each stacked along a first dimension, and
the step that all are at → the gradients of each job, and what each has seen."""


def vectorised(step: Step) -> Vectorised:
    """Several jobs' steps at once, that differ in their weights, their data and their noise.

    The noise of a job is what `Replay` keeps of its step: all that is drawn in it, in order.
    """

    def seen(
        parameters: Tensors, buffers: Tensors, batch: Batch, at: Tensor, noise: Sequence[Tensor]
    ) -> Seen:
        given = (batch, at, Kept(noise))
        return torch.func.functional_call(step, {**parameters, **buffers}, given)

    one = torch.func.grad_and_value(seen, has_aux=True)
    return torch.func.vmap(one, in_dims=(0, 0, 0, None, 0))
