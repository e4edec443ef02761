"""A distribution pushed through bijections."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add

import torch
from torch import Tensor

from vaebench.distributions.base import Distribution, Noise, Score
from vaebench.distributions.flows.transform import Transform

PAIRS = 8
"""Antithetic pairs of draws that the mean of a flow is taken over."""


class Flow(Distribution):
    """z_K = f_K ∘ … ∘ f_1 (z_0), z_0 ~ base:  log q(z_K) = log q_0(z_0) - Σ_k log |det ∂f_k/∂z|.

    Args:
        base: of events `[D]`.
        transforms: f_1 … f_K.

    >>> from vaebench.distributions import StandardNormal
    >>> from vaebench.distributions.flows import Scaling
    >>> q = Flow(StandardNormal(torch.zeros(2)), [Scaling(torch.tensor([0.0, 1.0]))])
    >>> z, score = q.rsample_and_log_prob((3,), Noise())
    >>> torch.allclose(score(), q.log_prob(z), atol=1e-5)  # a draw's own score is its log q
    True

    References:
        Variational Inference with Normalizing Flows (Rezende, Mohamed 2015),
        https://arxiv.org/abs/1505.05770
    """

    has_rsample = True

    def __init__(self, base: Distribution, transforms: Sequence[Transform]) -> None:
        self.base, self.transforms = base, list(transforms)
        self.scores_given = all(f.invertible for f in self.transforms)

    @property
    def batch_shape(self) -> torch.Size:
        return self.base.batch_shape

    @property
    def event_shape(self) -> torch.Size:
        return self.base.event_shape

    @property
    def mean(self) -> Tensor:
        """E[z], estimated from 16 antithetic draws of the base whose noise is the same for every
        batch entry: it differs between two entries only where their densities do."""
        return self.rsample((2 * PAIRS,), Common(len(self.batch_shape))).mean(0)

    def rsample(self, shape: Sequence[int], noise: Noise) -> Tensor:
        return self.rsample_and_log_prob(shape, noise)[0]

    def rsample_and_log_prob(self, shape: Sequence[int], noise: Noise) -> tuple[Tensor, Score]:
        z, score = self.base.rsample_and_log_prob(shape, noise)
        log_dets = []
        for f in self.transforms:
            z, log_det = f(z)
            log_dets.append(log_det)
        return z, lambda: score() - reduce(add, log_dets) if log_dets else score()

    def log_prob(self, value: Tensor) -> Tensor:
        """log q_0(z_0) - Σ_k log |det ∂f_k/∂z| by inversion.

        Raises:
            Incompatible: one of the transforms has no inverse.
        """
        log_det: Tensor | float = 0.0
        for f in reversed(self.transforms):
            value, one = f.inverse(value)
            log_det = log_det + one
        return self.base.log_prob(value) - log_det


class Common(Noise):
    """Antithetic pairs, the same for every entry of so many batch dimensions, and at each call."""

    def __init__(self, batch_dims: int) -> None:
        super().__init__()
        self.batch_dims = batch_dims

    def normal(self, shape: Sequence[int], like: Tensor) -> Tensor:
        own = (shape[0] // 2, *(1,) * self.batch_dims, *shape[1 + self.batch_dims :])
        half = torch.randn(own, generator=torch.Generator().manual_seed(0), dtype=like.dtype)
        return torch.cat([half, -half]).to(like.device).expand(*shape)
