"""Several densities in one: mixtures with equal weights, and products of Gaussians."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from operator import add

import torch
from torch import Tensor

from vaebench.distributions.base import Distribution, Noise
from vaebench.distributions.gaussian import DiagNormal
from vaebench.errors import Incompatible


class Ensemble(Distribution):
    """p(x) = 1/M Σ_m p_m(x), of densities of the same shapes. As the weights have no parameters, draws
    have a path where the members' have.

    Args:
        members: of one batch shape.
        stratified: whether k draws, of a multiple k of M, are k/M of each member, whose order begins
            anywhere: each draw alone is one of the mixture, and their mean varies less. Otherwise
            draws are independent.
    """

    def __init__(self, members: Sequence[Distribution], *, stratified: bool = False) -> None:
        self.members = list(members)
        self.kind, self.classes = self.members[0].kind, self.members[0].classes
        self.has_rsample = all(m.has_rsample for m in members)
        self.has_density = all(m.has_density for m in members)
        self.scores_given = all(m.scores_given for m in members)
        self.independent = not stratified

    @property
    def batch_shape(self) -> torch.Size:
        return self.members[0].batch_shape

    @property
    def event_shape(self) -> torch.Size:
        return self.members[0].event_shape

    @property
    def width(self) -> int:
        return self.members[0].width

    @property
    def mean(self) -> Tensor:
        return torch.stack([m.mean for m in self.members]).mean(0)

    def rsample(self, shape: Sequence[int], noise: Noise) -> Tensor:
        """Each draw from a member of its own."""
        draws = torch.stack([m.rsample(shape, noise) for m in self.members])
        lead, ones = (*shape, *self.batch_shape), (1,) * len(self.event_shape)
        stratified = not self.independent and len(lead) > 0
        u = noise.uniform((1, *lead[1:], *ones) if stratified else (1, *lead, *ones), draws)
        index = (u * len(self.members)).long().clamp(max=len(self.members) - 1)
        if stratified:
            turn = torch.arange(lead[0], device=index.device).view(-1, *(1,) * (index.ndim - 1))
            index = ((turn + index) % len(self.members)).unsqueeze(0)
        return draws.gather(0, index.expand(1, *draws.shape[1:]))[0]

    def log_prob(self, value: Tensor) -> Tensor:
        each = torch.stack([m.log_prob(value) for m in self.members])
        return each.logsumexp(0) - math.log(len(self.members))

    def values(self) -> Tensor:
        return self.members[0].values()


def product(experts: Sequence[Distribution]) -> DiagNormal:
    """N(z; 0, I) Π_m q_m(z), normalised, of Gaussians q_m = N(μ_m, diag σ_m²): its precision is 1 + Σ_m
    1/σ_m², and its mean Σ_m μ_m / σ_m² over that.

    Raises:
        Incompatible: an expert is no diagonal Gaussian.

    References:
        Products of Experts (Hinton 1999)
        Multimodal Generative Models for Scalable Weakly-Supervised Learning (Wu, Goodman 2018),
        https://arxiv.org/abs/1802.05335
    """
    gaussians = [each for each in experts if isinstance(each, DiagNormal)]
    if len(gaussians) < len(experts):
        kind = next(type(each).__name__ for each in experts if not isinstance(each, DiagNormal))
        raise Incompatible(
            f"this model multiplies diagonal Gaussians, and this posterior is {kind}.",
            "posterior",
            options=("model.combine=mixture",),
        )
    precisions = [(-2 * each.log_scale).exp() for each in gaussians]
    precision = 1 + reduce(add, precisions)
    weighed = (each.loc * p for each, p in zip(gaussians, precisions, strict=True))
    return DiagNormal(reduce(add, weighed) / precision, -0.5 * precision.log())
