"""Planar flows."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from vaebench.distributions.flows.transform import Step, Transform
from vaebench.errors import Incompatible

TINY = 1e-12


class Planar(Transform):
    """f(z) = z + û tanh(wᵀz + b): expands or contracts along one direction.

    û = u + [m(wᵀu) - wᵀu] w / ‖w‖² with m(a) = -1 + log(1 + eᵃ), so that wᵀû ≥ -1 and f can be
    inverted. Its inverse has no closed form: it scores only its own samples.

    Args:
        u: `[*, D]`, before the constraint.
        w: `[*, D]`.
        b: `[*]`.

    References:
        Variational Inference with Normalizing Flows (Rezende, Mohamed 2015), eq. 10 and appendix
        A.1, https://arxiv.org/abs/1505.05770
    """

    invertible: ClassVar[bool] = False

    def __init__(self, u: Tensor, w: Tensor, b: Tensor) -> None:
        wu = (w * u).sum(-1)
        self.wu = F.softplus(wu) - 1
        # A w of exactly zero is no direction: f is then a shift.
        share = (self.wu - wu) / (w.square().sum(-1) + TINY)
        self.u, self.w, self.b = u + share.unsqueeze(-1) * w, w, b

    def __call__(self, z: Tensor) -> Step:
        """f(z) and log |1 + (1 - tanh²(wᵀz + b)) wᵀû|."""
        h = torch.tanh((self.w * z).sum(-1) + self.b)
        return z + self.u * h.unsqueeze(-1), torch.log1p((1 - h.square()) * self.wu)

    def inverse(self, z: Tensor) -> Step:
        raise Incompatible("a planar flow scores only its own samples")
