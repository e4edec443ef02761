"""Estimators that pretend that bits are continuous: biased, with little variance."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Literal

import torch
from torch import Tensor

from vaebench.distributions import Distribution, Noise
from vaebench.inference import infer
from vaebench.models import Model
from vaebench.objectives.bounds import Bound
from vaebench.objectives.estimators.base import (
    Batch,
    Draws,
    Estimator,
    Read,
    Sampled,
    honest,
    summed,
)
from vaebench.trace import Relax

Way = Literal["concrete", "straight_through", "straight_through_concrete"]


class Relaxed(Estimator):
    """Pathwise gradients of a relaxation of q's discrete latents.

    `concrete`: samples lie off the grid in training, where the bound's masses are read as the
    multilinear functions that they are, and the bound is reported at other samples of q; `straight_through`: samples of q, whose gradient is that
    of their mean; `straight_through_concrete`: samples of q, whose gradient is that of the concrete
    ones. An evaluation draws from q itself.

    Args:
        way: one of these.
        temperature: τ > 0 of the concrete ones.

    References:
        Estimating or Propagating Gradients Through Stochastic Neurons (Bengio, Léonard, Courville
        2013), https://arxiv.org/abs/1308.3432
        The Concrete Distribution (Maddison, Mnih, Teh 2017), https://arxiv.org/abs/1611.00712
        Categorical Reparameterization with Gumbel-Softmax (Jang, Gu, Poole 2017),
        https://arxiv.org/abs/1611.01144
    """

    draws: ClassVar[Draws] = "relaxed"

    def __init__(self, way: Way, temperature: float) -> None:
        super().__init__()
        relaxations: dict[Way, Relax] = {
            "concrete": partial(concrete, temperature=temperature),
            "straight_through": through_mean,
            "straight_through_concrete": partial(through_concrete, temperature=temperature),
        }
        self.relax, self.off_grid = relaxations[way], way == "concrete"

    def forward(self, model: Model, batch: Batch, k: int, read: Read, bound: Bound) -> Sampled:
        evidence = infer(model, batch, k, relax=self.relax if self.training else None)
        surrogate = bound.value(summed(read(evidence)))
        if not (self.training and self.off_grid):
            return Sampled(surrogate, evidence)
        with torch.no_grad():  # what is reported is the bound, which relaxed samples do not give
            evidence = infer(model, batch, k)
            value = bound.value(summed(read(evidence)))
        return Sampled(honest(value, surrogate), evidence)


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
    return soft.round().detach() + (soft - soft.detach())
