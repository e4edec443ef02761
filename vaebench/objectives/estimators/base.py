"""Gradient estimators: how samples of q become a surrogate of a bound."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import ClassVar, Literal

from torch import Tensor, nn

from vaebench.config.chosen import chosen, instead
from vaebench.data import Batch, Spec
from vaebench.errors import Incompatible
from vaebench.models import Model
from vaebench.objectives.bounds import Bound
from vaebench.trace import Evidence

Terms = Mapping[str, Tensor]
"""Addends of f(x, z), by name, `[k, B]` each."""

Read = Callable[[Evidence], Terms]
"""What a bound takes from the evidence."""

Draws = Literal["pathwise", "score", "relaxed"]


def summed(terms: Terms) -> Tensor:
    """f, `[k, B]`."""
    return reduce(add, terms.values())


def with_gradient_of(value: Tensor, surrogate: Tensor) -> Tensor:
    """The value of one expression with the gradient of another."""
    return value.detach() + surrogate - surrogate.detach()


@dataclass(frozen=True)
class Estimand:
    """What a gradient is estimated of: ∇ E_q[B(f_1, …, f_k)].

    Attributes:
        bound: B.
        read: f's terms.
        k: samples.
        scored: whether f holds log q(z | x).
    """

    model: Model
    spec: Spec
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
    """

    surrogate: Tensor
    evidence: Evidence
    penalty: Tensor | None = None


class Estimator(nn.Module, ABC):
    """∇ E_q[B(f_1, …, f_k)] from samples of q. Built as `Estimator(estimand)`."""

    draws: ClassVar[Draws]
    """What it asks of q: a path from parameters to samples, the density of samples as constants,
    or a relaxation."""

    rescores: ClassVar[bool] = False
    """Whether samples are scored under q again, as given values."""

    at_least: ClassVar[int] = 1
    """Samples that it needs."""

    separate: ClassVar[bool | None] = None
    """Whether it is for bounds of which each sample enters a part of its own, the ELBO, or for
    those of importance weights, whose samples share one; None: for either."""

    drops_score: ClassVar[bool] = False
    """Whether it leaves out the score of q, for which f has to hold log q(z | x)."""

    def __init__(self, of: Estimand) -> None:
        super().__init__()
        if self.separate not in (None, of.bound.separate):
            meant, other = ("the ELBO", "elbo") if self.separate else ("importance weights", "iwae")
            raise Incompatible(
                f"{chosen('estimator')} is for bounds of {meant}, which {chosen('objective')} is "
                "not." + instead("estimator=auto", f"objective={other}")
            )
        if self.drops_score and not of.scored:
            raise Incompatible(
                f"{chosen('estimator')} leaves out the score of q, of which {chosen('objective')} "
                "makes no use." + instead("estimator=auto", "objective=elbo")
            )
        if of.k < self.at_least:
            raise Incompatible(
                f"{chosen('estimator')} compares the samples of an example, and k={of.k}. Use k=5 "
                "or estimator=auto."
            )

    @abstractmethod
    def forward(self, model: Model, batch: Batch, k: int, read: Read, bound: Bound) -> Sampled:
        """The bound at k samples for each example."""
