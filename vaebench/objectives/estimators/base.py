"""Gradient estimators: how samples of q become a surrogate of a bound."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import ClassVar, Literal

from torch import Tensor, nn

from vaebench.data import Batch
from vaebench.distributions import Noise
from vaebench.errors import Incompatible
from vaebench.inference import Outline
from vaebench.models import Model
from vaebench.objectives.bounds import Bound
from vaebench.trace import Evidence

Terms = Mapping[str, Tensor]
"""Addends of f(x, z), by name, `[k, B]` each."""

Read = Callable[[Evidence], Terms]
"""What a bound takes from the evidence."""

Draws = Literal["pathwise", "score", "relaxed", "enumerated"]


def summed(terms: Terms) -> Tensor:
    """f, `[k, B]`."""
    return reduce(add, terms.values())


def within(name: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of a part of this name, as the whole names it."""
    return {f"{name}.{buffer}": value for buffer, value in state.items()}


def with_gradient_of(value: Tensor, surrogate: Tensor) -> Tensor:
    """The value of one expression with the gradient of another."""
    return value.detach() + surrogate - surrogate.detach()


@dataclass(frozen=True)
class Estimand:
    """What a gradient is estimated of: ∇ E_q[B(f_1, …, f_k)].

    Attributes:
        outline: what a dry run showed of the model.
        bound: B.
        read: f's terms.
        k: samples.
        scored: whether f holds log q(z | x).
    """

    model: Model
    outline: Outline
    bound: Bound
    read: Read
    k: int
    scored: bool = True


@dataclass
class Sampled:
    """A bound at samples of q.

    Attributes:
        surrogate: its value is the bound's `[B]`, its gradient estimates that of the expected bound.
        evidence: of the samples.
        penalty: a loss of the estimator's own parameters, scalar; None: it has none.
        state: new values of the estimator's buffers, by name.
    """

    surrogate: Tensor
    evidence: Evidence
    penalty: Tensor | None = None
    state: dict[str, Tensor] = field(default_factory=dict)


class Estimator(nn.Module, ABC):
    """∇ E_q[B(f_1, …, f_k)] from samples of q. Built as `Estimator(estimand)`."""

    draws: ClassVar[Draws]
    """What it asks of q: a path from parameters to samples, the density of samples as constants,
    a relaxation, or all of its values."""

    rescores: ClassVar[bool] = False
    """Whether samples are scored under q again, as given values."""

    at_least: ClassVar[int] = 1
    """Samples that it needs."""

    separate: ClassVar[bool | None] = None
    """Whether it is for bounds of which each sample enters a part of its own, the ELBO, or for
    those of importance weights, whose samples share one; None: for either."""

    independent: ClassVar[bool] = False
    """Whether it counts on samples of one example that are independent of each other."""

    drops_score: ClassVar[bool] = False
    """Whether it leaves out the score of q, for which f has to hold log q(z | x)."""

    def __init__(self, of: Estimand) -> None:
        super().__init__()
        if self.separate not in (None, of.bound.separate):
            meant = "the ELBO" if self.separate else "importance weights"
            raise Incompatible(
                f"this estimator is for bounds of {meant}, which this objective is not.",
                "estimator",
                "objective",
            )
        if self.drops_score and not of.scored:
            raise Incompatible(
                "this estimator leaves out the score of q, of which this objective makes no use.",
                "estimator",
                "objective",
            )
        dependent = not all(dist.independent for dist in of.outline.q)
        if self.independent and of.k > 1 and dependent:
            raise Incompatible(
                "this estimator counts on independent samples, and this model draws as many from "
                "each part of a mixture.",
                "estimator",
                "model",
            )
        if of.k < self.at_least:
            raise Incompatible(
                f"this estimator compares the samples of an example, and k={of.k}.",
                "estimator",
                options=("k=5",),
            )

    @abstractmethod
    def forward(
        self, model: Model, batch: Batch, k: int, read: Read, bound: Bound, noise: Noise
    ) -> Sampled:
        """The bound at k samples for each example."""

    def value(self, bound: Bound, f: Tensor, evidence: Evidence, k: int) -> Tensor:
        """Another bound of k samples, of other terms f `[*, B]` of the same evidence, `[B]`."""
        return bound.value(f)
