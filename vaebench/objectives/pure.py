"""A step as a function of all that it depends on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from vaebench.data import Batch
from vaebench.distributions import Noise
from vaebench.inference import Kept
from vaebench.models import Model
from vaebench.objectives.anneal import Anneal
from vaebench.objectives.base import Objective

Seen = tuple[Tensor, tuple[dict[str, Tensor], dict[str, Tensor]]]
"""A loss, and the terms and the objective's new state beside it."""

Place = tuple[Any, str]
"""An object, and the name of an attribute of it."""


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
    [Tensors, Tensors, Batch, Tensor, Sequence[Tensor], Sequence[Tensor]],
    tuple[dict[str, Tensor], Seen],
]
"""Parameters, buffers, batches, steps, noise and own numbers of several jobs, each stacked along a
first dimension → the gradients of each job, and what each has seen."""


def vectorised(step: Step, places: Sequence[Place] = ()) -> Vectorised:
    """Several jobs' steps at once, that differ in their weights, their data, their noise, and in how
    many steps they have done.

    The noise of a job is what `Replay` keeps of its step: all that is drawn in it, in order.

    Args:
        step: of one of them.
        places: where in it the numbers stand in which they differ as well.
    """

    def seen(
        parameters: Tensors,
        buffers: Tensors,
        batch: Batch,
        at: Tensor,
        noise: Sequence[Tensor],
        numbers: Sequence[Tensor],
    ) -> Seen:
        given = (batch, at, Kept(noise))
        with put(places, numbers):
            return torch.func.functional_call(step, {**parameters, **buffers}, given)

    one = torch.func.grad_and_value(seen, has_aux=True)
    return torch.func.vmap(one)


class Share(Anneal):
    """Stands in for an annealing whose share at the step at hand is known.

    Args:
        anneal: which it stands in for.
        share: 0-dim.
    """

    def __init__(self, anneal: Anneal, share: Tensor) -> None:
        self.constant, self.tempers, self.share = anneal.constant, anneal.tempers, share

    def __call__(self, step: Tensor) -> Tensor:
        return self.share


@contextmanager
def put(places: Sequence[Place], values: Sequence[Tensor]) -> Iterator[None]:
    """While open, these values stand in these places; in place of an annealing its share."""
    before = [getattr(owner, name) for owner, name in places]
    for (owner, name), value, old in zip(places, values, before, strict=True):
        setattr(owner, name, Share(old, value) if isinstance(old, Anneal) else value)
    try:
        yield
    finally:
        for (owner, name), value in zip(places, before, strict=True):
            setattr(owner, name, value)
