"""Gaussians: standard, diagonal and full covariance."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vaebench.distributions.base import LOG_2PI, Distribution, Noise, Score, sum_event


class StandardNormal(Distribution):
    """N(0, I) over events shaped like `zero`, a buffer that fixes dtype and device."""

    has_rsample = True

    def __init__(self, zero: Tensor) -> None:
        self.zero = zero

    @property
    def batch_shape(self) -> torch.Size:
        return torch.Size()

    @property
    def event_shape(self) -> torch.Size:
        return self.zero.shape

    @property
    def mean(self) -> Tensor:
        return self.zero

    def rsample(self, shape: Sequence[int], noise: Noise) -> Tensor:
        return noise.normal((*shape, *self.zero.shape), self.zero)

    def log_prob(self, value: Tensor) -> Tensor:
        """log N(z; 0, I) = -½ Σ_d (z_d² + log 2π)."""
        return -0.5 * (sum_event(value.square(), self.zero.ndim) + self.zero.numel() * LOG_2PI)

    def factors(self) -> DiagNormal:
        return DiagNormal(self.zero, self.zero, event_dims=0)


class DiagNormal(Distribution):
    """N(μ, diag σ²).

    Args:
        loc: μ, `[*batch, *event]`.
        log_scale: log σ, broadcastable to μ.
        event_dims: how many trailing dimensions make one event.

    >>> q = DiagNormal(torch.zeros(3, 2), torch.zeros(2))
    >>> q.batch_shape, q.event_shape
    (torch.Size([3]), torch.Size([2]))
    >>> z, score = q.rsample_and_log_prob((5,), Noise())  # five draws for each of three
    >>> z.shape, score().shape
    (torch.Size([5, 3, 2]), torch.Size([5, 3]))
    """

    has_rsample = True

    def __init__(self, loc: Tensor, log_scale: Tensor, event_dims: int = 1) -> None:
        self.loc, self.log_scale, self.event_dims = loc, log_scale.expand_as(loc), event_dims

    @property
    def batch_shape(self) -> torch.Size:
        return self.loc.shape[: self.loc.ndim - self.event_dims]

    @property
    def event_shape(self) -> torch.Size:
        return self.loc.shape[self.loc.ndim - self.event_dims :]

    @property
    def mean(self) -> Tensor:
        return self.loc

    def rsample(self, shape: Sequence[int], noise: Noise) -> Tensor:
        return self._draw(noise.normal((*shape, *self.loc.shape), self.loc))

    def rsample_and_log_prob(self, shape: Sequence[int], noise: Noise) -> tuple[Tensor, Score]:
        eps = noise.normal((*shape, *self.loc.shape), self.loc)
        # (z - μ)/σ = ε exactly, so scoring an own draw needs no division and no rounding.
        return self._draw(eps), lambda: self._log_prob_of_standardised(eps)

    def log_prob(self, value: Tensor) -> Tensor:
        """log N(x; μ, σ²) = -½ Σ_d [((x_d - μ_d)/σ_d)² + 2 log σ_d + log 2π]."""
        return self._log_prob_of_standardised((value - self.loc) * (-self.log_scale).exp())

    def factors(self) -> DiagNormal:
        return DiagNormal(self.loc, self.log_scale, event_dims=0)

    def _draw(self, eps: Tensor) -> Tensor:
        return torch.addcmul(self.loc, self.log_scale.exp(), eps)

    def _log_prob_of_standardised(self, eps: Tensor) -> Tensor:
        constant = 0.5 * self.event_shape.numel() * LOG_2PI
        log_det = sum_event(self.log_scale, self.event_dims)
        return -0.5 * sum_event(eps.square(), self.event_dims) - log_det - constant


class FullNormal(Distribution):
    """N(μ, L Lᵀ) with a lower triangular L.

    Args:
        loc: μ, `[*batch, D]`.
        scale_tril: L, `[*batch, D, D]`, or one `[D, D]` for all, with a positive diagonal.
    """

    has_rsample = True

    def __init__(self, loc: Tensor, scale_tril: Tensor) -> None:
        self.loc, self.scale_tril = loc, scale_tril

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
        return self._draw(noise.normal((*shape, *self.loc.shape), self.loc))

    def rsample_and_log_prob(self, shape: Sequence[int], noise: Noise) -> tuple[Tensor, Score]:
        eps = noise.normal((*shape, *self.loc.shape), self.loc)
        return self._draw(eps), lambda: self._log_prob_of_standardised(eps)

    def log_prob(self, value: Tensor) -> Tensor:
        """log N(x; μ, L Lᵀ) = -½ (‖L⁻¹(x - μ)‖² + D log 2π) - Σ_d log L_dd."""
        shift, batch = value - self.loc, self.scale_tril.ndim - 2
        # What shares an L stands in columns beside each other: a copy of L for each would cost D².
        lead = shift.shape[: shift.ndim - 1 - batch]
        columns = shift.reshape(-1, *shift.shape[len(lead) :]).movedim(0, -1)
        eps = torch.linalg.solve_triangular(self.scale_tril, columns, upper=False)
        return self._log_prob_of_standardised(eps.movedim(-1, 0).reshape(shift.shape))

    def log_det(self) -> Tensor:
        """log det L, `[*batch]`."""
        return self.scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def _draw(self, eps: Tensor) -> Tensor:
        return self.loc + (self.scale_tril @ eps.unsqueeze(-1)).squeeze(-1)

    def _log_prob_of_standardised(self, eps: Tensor) -> Tensor:
        constant = 0.5 * self.loc.shape[-1] * LOG_2PI
        return -0.5 * eps.square().sum(-1) - self.log_det() - constant
