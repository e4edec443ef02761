"""Objectives whose gradient is estimated by any of several estimators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor

from vaebench.inference import Outline
from vaebench.models import Model
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
            q = zip(outline.latents, outline.q, strict=True)
            whose = [n for n, dist in q if not dist.has_rsample]
            only = f" at site {', '.join(whose)}" if len(whose) < len(outline.latents) else ""
            self.notes.append(
                f"estimator={name}: this posterior has no path from parameters to samples{only}"
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


def _kind(made: Callable[..., Any]) -> Callable[..., Any]:
    """What a config's partial makes."""
    return getattr(made, "func", made)
