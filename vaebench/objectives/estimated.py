"""Objectives whose gradient is estimated by any of several estimators."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, NamedTuple

from torch import Tensor

from vaebench.config.chosen import chosen, instead
from vaebench.data import Spec
from vaebench.errors import Incompatible
from vaebench.inference import infer
from vaebench.models import Model
from vaebench.objectives.anneal import Anneal
from vaebench.objectives.base import Objective
from vaebench.objectives.baselines import DECAY, Baseline, Nothing, Running
from vaebench.objectives.bounds import Bound
from vaebench.objectives.estimators import (
    NVIL,
    STL,
    VIMCO,
    DReG,
    Estimator,
    OneOfK,
    Pathwise,
    Read,
    Relaxed,
    Sampled,
    Score,
)

TEMPERATURE = 0.5
"""τ of concrete samples unless told otherwise (Jang, Gu, Poole 2017)."""

DEFAULT = partial(Running, decay=DECAY)
"""The baseline of the score function unless told otherwise."""

PLAIN: dict[str, Callable[[], Estimator]] = {
    "pathwise": Pathwise,
    "stl": STL,
    "dreg": DReG,
    "one_of_k": OneOfK,
    "vimco": VIMCO,
}


class Estimated(Objective):
    """A bound on samples of q, and one of the ways to estimate its gradient.

    Args:
        estimator: which; `auto`: pathwise where q has a path, else one for discrete latents.
        baseline: of `score`.
        temperature: τ of the concrete relaxations, > 0.
        **shared: k and weight_sd.
    """

    for_discrete: ClassVar[str] = "nvil"
    """What `auto` is where q has no path."""

    def __init__(
        self,
        model: Model,
        spec: Spec,
        *,
        estimator: str = "auto",
        baseline: Callable[[Model, Spec], Baseline] = DEFAULT,
        temperature: float = TEMPERATURE,
        **shared: Any,
    ) -> None:
        super().__init__(model, spec, **shared)
        if not temperature > 0:
            raise Incompatible(f"objective.temperature={temperature}: must be positive")
        self._wanted, self._baseline, self._temperature = estimator, baseline, temperature

    def prepare(self, model: Model, spec: Spec, bound: Bound, read: Read) -> None:
        """Builds the estimator, once the objective can say what it reads."""
        self.bound = bound
        name = self._resolved(model, spec)
        option = f"objective.estimator={name}"
        self.estimator = self._build(name, model, spec, read)
        self.draws, self.draws_option = self.estimator.draws, option
        self.rescores = option if self.estimator.rescores else ""
        if self.k < self.estimator.at_least:
            raise Incompatible(
                f"{option} compares the samples of an example, and k={self.k}. Use k=5 or "
                "objective.estimator=score."
            )

    def _resolved(self, model: Model, spec: Spec) -> str:
        if self._wanted != "auto":
            return self._wanted
        evidence = infer(model, spec.example(), 1)
        grid = [n for n in evidence.latents if not evidence.q[n].dist.has_rsample]
        if not grid:
            return "pathwise"
        self.notes.append(
            f"objective.estimator={self.for_discrete}: {chosen('posterior')} has no path from "
            "parameters to samples"
        )
        return self.for_discrete

    def _build(self, name: str, model: Model, spec: Spec, read: Read) -> Estimator:
        option = f"objective.estimator={name}"
        if name != "score" and not _is_idle(self._baseline):
            raise Incompatible(
                f"{chosen('baseline')} has nothing to do: {option} has none to choose."
                + instead("baseline=none", "objective.estimator=score")
            )
        if "concrete" not in name and self._temperature != TEMPERATURE:
            raise Incompatible(
                f"objective.temperature={self._temperature} has nothing to do: {option} relaxes "
                f"nothing. Use objective.temperature={TEMPERATURE}."
            )
        if name == "score":
            return Score(self._fitting(self._baseline(model, spec)))
        if name == "nvil":
            return NVIL(model, spec, read)
        if name in PLAIN:
            return PLAIN[name]()
        return Relaxed(name, self._temperature)  # type: ignore[arg-type]

    def _fitting(self, baseline: Baseline) -> Baseline:
        if baseline.at_least > 1 and not self.bound.separate:
            raise Incompatible(
                f"{chosen('baseline')} compares the samples of an example, to all of which "
                f"{chosen('objective')} gives one signal. Use objective.estimator=vimco "
                "baseline=running."
            )
        if self.k < baseline.at_least:
            raise Incompatible(
                f"{chosen('baseline')} compares the samples of an example, and k={self.k}."
                + instead("baseline=running", "k=5")
            )
        return baseline

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
        beta: β ≥ 0. The reported bound is that of β = 1 whatever the loss uses.
        anneal: the share of β, or of log p(x | z) + β log p(z), that a training step uses; an
            evaluation uses all of it.
        **shared: estimator, baseline, temperature, k and weight_sd.
    """

    def __init__(
        self, model: Model, spec: Spec, *, beta: float, anneal: Anneal, **shared: Any
    ) -> None:
        super().__init__(model, spec, **shared)
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


def _is_idle(baseline: Callable[[Model, Spec], Baseline]) -> bool:
    """Whether nobody asked for one."""
    asked = getattr(baseline, "func", baseline), getattr(baseline, "keywords", {})
    return asked[0] is Nothing or asked == (DEFAULT.func, DEFAULT.keywords)
