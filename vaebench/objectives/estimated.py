"""Objectives whose gradient is estimated by any of several estimators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from torch import Tensor

from vaebench.errors import Incompatible
from vaebench.inference import Outline
from vaebench.models import Model
from vaebench.objectives.anneal import Anneal
from vaebench.objectives.base import Objective
from vaebench.objectives.bounds import Bound
from vaebench.objectives.estimators import (
    ESTIMATORS,
    Estimand,
    Estimator,
    Pathwise,
    Read,
    Sampled,
    auto,
)

MakesEstimator = Callable[[Estimand], Estimator]


class Estimated(Objective):
    """A bound on samples of q, and one of the ways to estimate its gradient.

    Args:
        k: samples of q per example.
        estimator: of the bound's gradient.
    """

    scored: ClassVar[bool] = True
    """Whether what is estimated holds log q(z | x)."""

    def __init__(
        self, model: Model, outline: Outline, *, k: int, estimator: MakesEstimator = auto
    ) -> None:
        super().__init__(model, outline, k=k)
        self._wanted = estimator

    @property
    def drops_score(self) -> bool:
        """Whether the estimator, which is yet to be built, leaves out the score of q."""
        return getattr(_kind(self._wanted), "drops_score", False)

    def prepare(self, model: Model, outline: Outline, bound: Bound, read: Read) -> None:
        """Builds the estimator, once the objective can say what it reads."""
        self.bound = bound
        self.estimator = self._wanted(Estimand(model, outline, bound, read, self.k, self.scored))
        self.draws, self.draws_part = self.estimator.draws, "estimator"
        self.rescores = "estimator" if self.estimator.rescores else ""
        if _kind(self._wanted) is auto and not isinstance(self.estimator, Pathwise):
            name = next(n for n, kind in ESTIMATORS.items() if kind is type(self.estimator))
            self.notes.append(
                f"estimator={name}: this posterior has no path from parameters to samples"
            )

    def groups(self) -> list[dict[str, Any]]:
        own = list(self.estimator.parameters())
        return [{"params": own, "weight_decay": 0.0}] if own else []

    @staticmethod
    def loss(sampled: Sampled) -> Tensor:
        """Minus the bound, whose gradient also fits what the estimator has to learn."""
        loss = -sampled.surrogate.mean()
        if sampled.penalty is None:
            return loss
        return loss + (sampled.penalty - sampled.penalty.detach())


class Weight(NamedTuple):
    """What a loss weighs: a log p(x | z) + β [a log p(z) - log q(z | x)].

    Attributes:
        beta: β.
        inverse_temperature: a; None: 1, at no cost.
    """

    beta: Tensor | float
    inverse_temperature: Tensor | None = None


class Weighted(Estimated):
    """An objective whose loss weighs log p(z) - log q(z | x) by β, and anneals β or log p(x, z).

    Args:
        k: samples of q per example.
        estimator: of the bound's gradient.
        beta: β ≥ 0. The reported bound is that of β = 1 whatever the loss uses.
        anneal: the share of β, or of log p(x | z) + β log p(z), that a training step uses; an
            evaluation uses all of it.
    """

    def __init__(
        self,
        model: Model,
        outline: Outline,
        *,
        k: int,
        estimator: MakesEstimator = auto,
        beta: float,
        anneal: Anneal,
    ) -> None:
        super().__init__(model, outline, k=k, estimator=estimator)
        if beta < 0:
            raise Incompatible(f"objective.beta={beta}: must not be negative")
        self.beta, self.anneal = beta, anneal

    def weight(self, step: Tensor) -> Weight | None:
        """The weight at a step of training; None: 1 throughout, at no cost."""
        if self.beta == 1 and self.anneal.constant:
            return None
        if not self.training:
            return Weight(self.beta)
        share = self.anneal(step)
        return Weight(self.beta, share) if self.tempers else Weight(self.beta * share)

    @property
    def tempers(self) -> bool:
        """Whether log p(x, z) is annealed."""
        return self.anneal.tempers and not self.anneal.constant

    def told(self, weight: Weight | None, like: Tensor) -> dict[str, Tensor]:
        """`kl_weight` or `inverse_temperature` of a training step, on the device of `like`."""
        if weight is None or not self.training:
            return {}
        beta, inverse_temperature = weight
        if inverse_temperature is not None:
            return {"inverse_temperature": inverse_temperature.to(like)}
        return {"kl_weight": beta.to(like)} if isinstance(beta, Tensor) else {}


def _kind(made: Callable[..., Any]) -> Callable[..., Any]:
    """What a config's partial makes."""
    return getattr(made, "func", made)
