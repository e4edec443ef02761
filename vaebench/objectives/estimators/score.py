"""Estimators that need nothing but the density of samples: the score function's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from operator import mul
from typing import ClassVar, Literal

from torch import Tensor

from vaebench.data import Batch, Support
from vaebench.distributions import Noise
from vaebench.errors import Incompatible
from vaebench.inference import Outline, infer
from vaebench.models import Model
from vaebench.objectives.baselines import DECAY, Baseline, Running
from vaebench.objectives.bounds import Bound
from vaebench.objectives.estimators.base import (
    Draws,
    Estimand,
    Estimator,
    Read,
    Sampled,
    summed,
    with_gradient_of,
    within,
)
from vaebench.trace import Evidence

Reward = Literal["bound", "right"]

DEFAULT = partial(Running, decay=DECAY)
"""The baseline unless told otherwise."""


class Score(Estimator):
    """Σ_i (B_i - b) ∂ log q(z_i | x) + ∂B, where B_i is what of B sample i enters: REINFORCE.

    Args:
        baseline: b, which must not depend on sample i.
        reward: what B_i is: the bound's share, whose expectation is what is maximised; or `right`, 1
            where the label of the data is the most probable one under sample i and 0 elsewhere, which
            is what a classifier is to be good at, and no bound.

    References:
        Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning
        (Williams 1992)
        Recurrent Models of Visual Attention (Mnih, Heess, Graves, Kavukcuoglu 2014), for `right`,
        https://arxiv.org/abs/1406.6247
    """

    draws: ClassVar[Draws] = "score"
    independent: ClassVar[bool] = True
    rescores: ClassVar[bool] = True

    def __init__(
        self,
        of: Estimand,
        *,
        baseline: Callable[[Outline], Baseline] = DEFAULT,
        reward: Reward = "bound",
    ) -> None:
        super().__init__(of)
        self.baseline = _fitting(baseline(of.outline), of)
        self.reward = reward
        if reward == "right":
            _check_right(of)

    def forward(
        self, model: Model, batch: Batch, k: int, read: Read, bound: Bound, noise: Noise
    ) -> Sampled:
        evidence = infer(model, batch, k, reparam=False, noise=noise)
        f = summed(read(evidence))
        value = bound.value(f)
        reward = f.detach() if self.reward == "bound" else _right(evidence)
        signal = bound.share(reward)
        b = self.baseline(signal, model, batch, evidence)
        surrogate = ((signal - b.value) * evidence.log_q).sum(0) + value
        state = within("baseline", b.state)
        return Sampled(with_gradient_of(value, surrogate), evidence, b.loss, state)


def _right(evidence: Evidence) -> Tensor:
    """1 where every label of the data is the most probable one, else 0, `[k, B]`."""
    each = [site.spread((site.dist.mean == site.value).float()) for site in evidence.observed]
    return reduce(mul, each)


def _check_right(of: Estimand) -> None:
    """Refuses a reward for labels where there are other data, or more to be told than the reward."""
    fields = of.outline.spec.fields
    option = ("estimator.reward=bound",)
    if any(fields[n].support is not Support.LABEL or fields[n].shape for n in of.outline.observed):
        told = ", ".join(of.outline.observed)
        why = f"this estimator rewards the right label, and this model observes {told}."
        raise Incompatible(why, "estimator", "model", options=option)
    if not of.model.q_is_prior:
        raise Incompatible(
            "this estimator rewards the right label alone, and this model's q has to be told how far "
            "it is from p(z) too.",
            "estimator",
            "model",
            options=option,
        )
    if not of.bound.separate:
        raise Incompatible(
            "this estimator rewards each sample by itself, and this objective gives all samples of an "
            "example one signal.",
            "estimator",
            "objective",
            options=option,
        )


def _fitting(baseline: Baseline, of: Estimand) -> Baseline:
    """Refuses a baseline that compares samples where there are none to compare."""
    if baseline.at_least > 1 and not of.bound.separate:
        raise Incompatible(
            "this baseline compares the samples of an example, to all of which this objective gives "
            "one signal.",
            "baseline",
            "estimator",
            "objective",
        )
    if of.k < baseline.at_least:
        raise Incompatible(
            f"this baseline compares the samples of an example, and k={of.k}.",
            "baseline",
            options=("k=5",),
        )
    return baseline


class VIMCO(Estimator):
    """The score function with, for sample i, what the other samples say of it as the baseline:
    B_i with f_i replaced by their mean.

    References:
        Variational Inference for Monte Carlo Objectives (Mnih, Rezende 2016),
        https://arxiv.org/abs/1602.06725
    """

    draws: ClassVar[Draws] = "score"
    rescores: ClassVar[bool] = True
    at_least: ClassVar[int] = 2
    independent: ClassVar[bool] = True
    separate: ClassVar[bool | None] = False

    def forward(
        self, model: Model, batch: Batch, k: int, read: Read, bound: Bound, noise: Noise
    ) -> Sampled:
        evidence = infer(model, batch, k, reparam=False, noise=noise)
        f = summed(read(evidence))
        value, fixed = bound.value(f), f.detach()
        signal = bound.share(fixed) - bound.share_without(fixed)
        surrogate = (signal * evidence.log_q).sum(0) + value
        return Sampled(with_gradient_of(value, surrogate), evidence)
