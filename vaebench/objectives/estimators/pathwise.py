"""Estimators that follow samples along their path from q's parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from vaebench.data import Batch
from vaebench.distributions import Noise
from vaebench.inference import Replay, infer, rescore
from vaebench.models import Model
from vaebench.objectives.bounds import Bound
from vaebench.objectives.estimators.base import (
    Draws,
    Estimator,
    Read,
    Sampled,
    summed,
    with_gradient_of,
)


class Pathwise(Estimator):
    """The gradient of B itself at z = g(ε, x; φ).

    References:
        Auto-Encoding Variational Bayes (Kingma, Welling 2014), https://arxiv.org/abs/1312.6114
    """

    draws: ClassVar[Draws] = "pathwise"

    def forward(
        self, model: Model, batch: Batch, k: int, read: Read, bound: Bound, noise: Noise
    ) -> Sampled:
        evidence = infer(model, batch, k, noise=noise)
        return Sampled(bound.value(summed(read(evidence))), evidence)


class STL(Estimator):
    """Pathwise, without q's score: no variance at the exact posterior, biased for importance
    weights of k > 1.

    References:
        Sticking the Landing (Roeder, Wu, Duvenaud 2017), https://arxiv.org/abs/1703.09194
    """

    draws: ClassVar[Draws] = "pathwise"
    drops_score: ClassVar[bool] = True
    rescores: ClassVar[bool] = True

    def forward(
        self, model: Model, batch: Batch, k: int, read: Read, bound: Bound, noise: Noise
    ) -> Sampled:
        evidence, _ = rescore(infer(model, batch, k, noise=noise), model, batch, noise)
        return Sampled(bound.value(summed(read(evidence))), evidence)


class DReG(Estimator):
    """Doubly reparameterised: Σ w̃ ∂_θ f + Σ w̃² ∂_z f ∂_φ z for a log-mean-exp. Unbiased, with a
    signal that does not fade as k grows.

    References:
        Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives (Tucker, Lawson, Gu,
        Maddison 2019), https://arxiv.org/abs/1810.04152
    """

    draws: ClassVar[Draws] = "pathwise"
    separate: ClassVar[bool | None] = False
    independent: ClassVar[bool] = True
    rescores: ClassVar[bool] = True

    def forward(
        self, model: Model, batch: Batch, k: int, read: Read, bound: Bound, noise: Noise
    ) -> Sampled:
        evidence, copies = rescore(infer(model, batch, k, noise=noise), model, batch, noise)
        f = summed(read(evidence))
        ratio = bound.path_ratio(f.detach())
        for z in copies.values():
            if z.requires_grad:
                z.register_hook(_weighted(ratio))
        weights = bound.weights(f.detach())
        return Sampled(with_gradient_of(bound.value(f), (weights * f).sum(0)), evidence)


class OneOfK(Estimator):
    """∂f_i for one sample i of k, drawn with its weight ∂B/∂f_i: k passes forward, one backward.

    References:
        Importance Weighted Autoencoders (Burda, Grosse, Salakhutdinov 2016),
        https://arxiv.org/abs/1509.00519, section 3
    """

    draws: ClassVar[Draws] = "pathwise"
    separate: ClassVar[bool | None] = False
    independent: ClassVar[bool] = True

    def forward(
        self, model: Model, batch: Batch, k: int, read: Read, bound: Bound, noise: Noise
    ) -> Sampled:
        kept = Replay(noise)
        with torch.no_grad():
            evidence = infer(model, batch, k, noise=kept)
            f = summed(read(evidence))
        again = infer(model, batch, 1, noise=kept.only(_drawn(bound.weights(f), kept)))
        return Sampled(with_gradient_of(bound.value(f), summed(read(again))[0]), evidence)


def _drawn(weights: Tensor, noise: Noise) -> Tensor:
    """A sample's number for each example `[B]`, drawn with its weight `[k, B]`."""
    u = noise.uniform(weights.shape[1:], weights)
    return (weights.cumsum(0) < u * weights.sum(0)).sum(0).clamp(max=len(weights) - 1)


def _weighted(w: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda gradient: w.reshape(*w.shape, *(1 for _ in gradient.shape[2:])) * gradient
