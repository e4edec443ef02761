"""Estimators that pretend that discrete latents are continuous: biased, with little variance."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from vaebench.data import Batch
from vaebench.distributions import Distribution, Noise
from vaebench.errors import Incompatible
from vaebench.inference import infer
from vaebench.models import Model
from vaebench.objectives.bounds import Bound
from vaebench.objectives.estimators.base import (
    Draws,
    Estimand,
    Estimator,
    Read,
    Sampled,
    summed,
    with_gradient_of,
)
from vaebench.trace import Relax

TEMPERATURE = 0.5
"""τ unless told otherwise (Jang, Gu, Poole 2017)."""


class Relaxed(Estimator):
    """Pathwise gradients of a relaxation of q's discrete latents. An evaluation draws from q itself."""

    draws: ClassVar[Draws] = "relaxed"
    relax: Relax
    """How a relaxed sample is drawn."""

    off_grid: ClassVar[bool] = False
    """Whether relaxed samples are no values of q; the bound is then reported at others, that are."""

    def forward(self, model: Model, batch: Batch, k: int, read: Read, bound: Bound) -> Sampled:
        evidence = infer(model, batch, k, relax=self.relax if self.training else None)
        surrogate = bound.value(summed(read(evidence)))
        if not (self.training and self.off_grid):
            return Sampled(surrogate, evidence)
        with torch.no_grad():  # what is reported is the bound, which relaxed samples do not give
            evidence = infer(model, batch, k)
            value = bound.value(summed(read(evidence)))
        return Sampled(with_gradient_of(value, surrogate), evidence)


class Concrete(Relaxed):
    """Samples off the grid, where the bound's masses are read as the multilinear functions that they
    are.

    Args:
        temperature: τ > 0.

    References:
        The Concrete Distribution (Maddison, Mnih, Teh 2017), https://arxiv.org/abs/1611.00712
        Categorical Reparameterization with Gumbel-Softmax (Jang, Gu, Poole 2017),
        https://arxiv.org/abs/1611.01144
    """

    off_grid: ClassVar[bool] = True

    def __init__(self, of: Estimand, *, temperature: float = TEMPERATURE) -> None:
        super().__init__(of)
        self.relax = partial(concrete, temperature=_positive(temperature))


class StraightThrough(Relaxed):
    """Samples of q, whose gradient is that of their mean.

    References:
        Estimating or Propagating Gradients Through Stochastic Neurons (Bengio, Léonard, Courville
        2013), https://arxiv.org/abs/1308.3432
    """

    def __init__(self, of: Estimand) -> None:
        super().__init__(of)
        self.relax = through_mean


class StraightThroughConcrete(Relaxed):
    """Samples of q, whose gradient is that of the concrete ones.

    Args:
        temperature: τ > 0.

    References:
        Categorical Reparameterization with Gumbel-Softmax (Jang, Gu, Poole 2017),
        https://arxiv.org/abs/1611.01144
    """

    def __init__(self, of: Estimand, *, temperature: float = TEMPERATURE) -> None:
        super().__init__(of)
        self.relax = partial(through_concrete, temperature=_positive(temperature))


def _positive(temperature: float) -> float:
    if not temperature > 0:
        raise Incompatible(f"estimator.temperature={temperature}: must be positive")
    return temperature


def concrete(
    dist: Distribution, shape: Sequence[int], noise: Noise, *, temperature: float
) -> Tensor:
    """Off the grid."""
    return dist.relaxed(shape, noise, temperature)


def through_mean(dist: Distribution, shape: Sequence[int], noise: Noise) -> Tensor:
    """On the grid, with the gradient of E[z]."""
    value, mean = dist.rsample(shape, noise), dist.mean
    return value.detach() + (mean - mean.detach())


def through_concrete(
    dist: Distribution, shape: Sequence[int], noise: Noise, *, temperature: float
) -> Tensor:
    """On the grid, with the gradient of the concrete draw."""
    soft = dist.relaxed(shape, noise, temperature)
    return dist.hardened(soft).detach() + (soft - soft.detach())
