"""The linear-Gaussian density: a low-rank covariance and noise."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vaebench.algebra import low_rank_log_prob
from vaebench.distributions.base import Distribution, Noise


class LowRankNormal(Distribution):
    """N(μ, W Wᵀ + diag σ²): the marginal of x = μ + W z + σ ε with z ~ N(0, I), ε ~ N(0, I).

    Args:
        loc: μ, `[*batch, D]`.
        w: W, `[D, d]`.
        scale: σ, `[D]`, or `[1]` for all entries.

    References:
        Probabilistic Principal Component Analysis (Tipping, Bishop 1999)
    """

    has_rsample = True

    def __init__(self, loc: Tensor, w: Tensor, scale: Tensor) -> None:
        self.loc, self.w, self.scale = loc, w, scale

    @property
    def batch_shape(self) -> torch.Size:
        return self.loc.shape[:-1]

    @property
    def event_shape(self) -> torch.Size:
        return self.loc.shape[-1:]

    @property
    def mean(self) -> Tensor:
        return self.loc

    def rsample(self, shape: Sequence[int], noise: Noise) -> Tensor:
        z = noise.normal((*shape, *self.batch_shape, self.w.shape[1]), self.loc)
        eps = noise.normal((*shape, *self.loc.shape), self.loc)
        return torch.addcmul(self.loc + z @ self.w.T, self.scale, eps)

    def log_prob(self, value: Tensor) -> Tensor:
        return low_rank_log_prob(value - self.loc, self.w, self.scale)
