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

    >>> f = Planar(u=torch.zeros(2), w=torch.tensor([1.0, 0.0]), b=torch.tensor(0.0))
    >>> z, log_det = f(torch.zeros(2))
    >>> z, round(float(log_det.exp()), 4)  # at wᵀz + b = 0 it stretches by log(1 + e^wᵀu)
    (tensor([0., 0.]), 0.6931)

    References:
        Variational Inference with Normalizing Flows (Rezende, Mohamed 2015), eq. 10 and appendix
        A.1, https://arxiv.org/abs/1505.05770
    """

    invertible: ClassVar[bool] = False

    def __init__(self, u: Tensor, w: Tensor, b: Tensor) -> None:
        wu, square = (w * u).sum(-1), w.square().sum(-1)
        share = (F.softplus(wu) - 1 - wu) / (square + TINY)
        self.u, self.w, self.b = u + share.unsqueeze(-1) * w, w, b
        # 1 + wᵀû is log(1 + e^wᵀu), which may be far below what 1 + wᵀû could be rounded to. A w of
        # almost nothing is no direction to correct u along: there it goes over into 1 + wᵀu.
        some = square / (square + TINY)
        self.stretch = some * F.softplus(wu) + (1 - some) * (1 + wu)

    @classmethod
    def several(cls, u: Tensor, w: Tensor, b: Tensor) -> list[Planar]:
        """K transforms from `[*, K, D]`, `[*, K, D]` and `[*, K]`, constrained in one go."""
        whole = cls(u, w, b)
        fields = (whole.u.unbind(-2), w.unbind(-2), b.unbind(-1), whole.stretch.unbind(-1))
        return [cls._constrained(*parts) for parts in zip(*fields, strict=True)]

    @classmethod
    def _constrained(cls, u: Tensor, w: Tensor, b: Tensor, stretch: Tensor) -> Planar:
        made = cls.__new__(cls)
        made.u, made.w, made.b, made.stretch = u, w, b, stretch
        return made

    def __call__(self, z: Tensor) -> Step:
        """f(z) and log |1 + (1 - tanh²(wᵀz + b)) wᵀû|."""
        h = torch.tanh((self.w * z).sum(-1) + self.b)
        log_det = (h.square() + (1 - h.square()) * self.stretch).log()
        return z + self.u * h.unsqueeze(-1), log_det

    def inverse(self, z: Tensor) -> Step:
        raise Incompatible("a planar flow scores only its own samples")
