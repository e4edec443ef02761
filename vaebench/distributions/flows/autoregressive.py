"""Inverse autoregressive flows."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from vaebench.distributions.flows.transform import Step, Transform
from vaebench.distributions.logistic import log_sigmoid

FAR = 1e6
"""Coordinates of the base are no larger: a Gaussian has e^(-10^12) of its mass beyond."""

STEEP = 30.0
"""Logarithm of the largest factor by which one step back may grow."""


class InverseAutoregressive(Transform):
    """z' = g z + (1 - g) m with gate g = σ(s), where m_i and s_i depend on z_{<i} alone.

    The gate keeps z' between z and m, which is numerically stable; its Jacobian is triangular.
    `doubled` makes it g = 2 σ(s), so that a step can also expand.

    Sampling is one pass of the conditioner; a foreign value takes as many as there are coordinates.

    Args:
        conditioner: z `[*, D]` → m and s side by side, `[*, 2 D]`.
        order: coordinate i comes at position `order[i]`, `[D]`.
        doubled: whether the gate is doubled.

    References:
        Improving Variational Inference with Inverse Autoregressive Flow (Kingma, Salimans,
        Jozefowicz, Chen, Sutskever, Welling 2016), eq. 14, https://arxiv.org/abs/1606.04934
    """

    def __init__(
        self, conditioner: Callable[[Tensor], Tensor], order: Tensor, *, doubled: bool
    ) -> None:
        self.conditioner, self.order = conditioner, order
        self.gain = 2.0 if doubled else 1.0

    def __call__(self, z: Tensor) -> Step:
        """z' and Σ_i log g_i."""
        m, s = self.conditioner(z).chunk(2, -1)
        gate = s.sigmoid() if self.gain == 1 else self.gain * s.sigmoid()
        return m + gate * (z - m), self._log_gate(s).sum(-1)

    def inverse(self, z: Tensor) -> Step:
        """One coordinate after the other, in their order; what lies unthinkably far off stays at
        the edge of thinkable, so that every density of it is a number."""
        value = s = torch.zeros_like(z)
        for position in range(z.shape[-1]):
            m, s = self.conditioner(value).chunk(2, -1)
            growth = (-self._log_gate(s)).clamp(max=STEEP).exp()
            new = (m + (z - m) * growth).clamp(-FAR, FAR)
            value = torch.where(self.order == position, new, value)
        # The last pass knew all that any s depends on.
        return value, self._log_gate(s).sum(-1)

    def _log_gate(self, s: Tensor) -> Tensor:
        """log(gain σ(s)), without overflow."""
        log_gate = log_sigmoid(s)
        return log_gate + math.log(self.gain) if self.gain != 1 else log_gate
