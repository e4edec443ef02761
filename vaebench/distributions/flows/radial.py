"""Radial flows."""

from __future__ import annotations

import torch
from torch import Tensor

from vaebench.distributions.flows.transform import Step, Transform

TINY = 1e-24  # of a squared distance: it keeps the root's slope finite


class Radial(Transform):
    """f(z) = z + β h(r) (z - z₀), h(r) = 1 / (α + r), r = ‖z - z₀‖: expands or contracts around a
    point.

    Args:
        center: z₀, `[*, D]`.
        alpha: α > 0, `[*]`.
        beta: β ≥ -α, which makes f invertible, `[*]`.

    References:
        Variational Inference with Normalizing Flows (Rezende, Mohamed 2015), eq. 14 and appendix
        A.2, https://arxiv.org/abs/1505.05770
    """

    def __init__(self, center: Tensor, alpha: Tensor, beta: Tensor) -> None:
        self.center, self.alpha, self.beta = center, alpha, beta

    def __call__(self, z: Tensor) -> Step:
        """f(z) and (D - 1) log(1 + βh) + log(1 + βh + βh'r), where 1 + βh + βh'r = 1 + βα h²."""
        shift = z - self.center
        # The root's slope at 0 is infinite; z = z₀ itself is met by nobody but a gradient check.
        r = (shift.square().sum(-1) + TINY).sqrt()
        return self._step(z, shift, r)

    def _step(self, z: Tensor, shift: Tensor, r: Tensor) -> Step:
        h = 1 / (self.alpha + r)
        growth = self.beta * h
        value = z + growth.unsqueeze(-1) * shift
        return value, self._log_det(h, growth, z.shape[-1])

    def _log_det(self, h: Tensor, growth: Tensor, dim: int) -> Tensor:
        return (dim - 1) * torch.log1p(growth) + torch.log1p(growth * self.alpha * h)

    def inverse(self, z: Tensor) -> Step:
        """r from r' = r (1 + β / (α + r)), a quadratic equation; the direction stays."""
        shift = z - self.center
        far = (shift.square().sum(-1) + TINY).sqrt()
        half = 0.5 * (far - self.alpha - self.beta)
        root = (half.square() + self.alpha * far).sqrt()
        # The same root twice: where half is negative, the first form would cancel.
        below = torch.where(half > 0, 1.0, root - half)  # no 0/0 on the side that is not taken
        r = torch.where(half > 0, half + root, self.alpha * far / below)
        value = self.center + (r / far).unsqueeze(-1) * shift
        h = 1 / (self.alpha + r)
        return value, self._log_det(h, self.beta * h, z.shape[-1])
