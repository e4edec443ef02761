"""Coupling flows: one half moves by a function of the other."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vaebench.distributions.flows.transform import Step, Transform


class Coupling(Transform):
    """z'_a = z_a,  z'_b = z_b e^{s(z_a)} + t(z_a), after the coordinates are put in an order.

    Without s it is NICE's additive coupling, which preserves volume.

    Args:
        conditioner: z_a `[*, a]` → t, or t and s side by side, `[*, b]` or `[*, 2 b]`.
        order: the coordinates, those of a first, `[D]`.
        back: the order that undoes it, `[D]`.
        a: how many coordinates stay.

    References:
        NICE: Non-linear Independent Components Estimation (Dinh, Krueger, Bengio 2015),
        https://arxiv.org/abs/1410.8516
        Density Estimation Using Real NVP (Dinh, Sohl-Dickstein, Bengio 2017),
        https://arxiv.org/abs/1605.08803
    """

    def __init__(
        self, conditioner: Callable[[Tensor], Tensor], order: Tensor, back: Tensor, a: int
    ) -> None:
        self.conditioner, self.order, self.back, self.a = conditioner, order, back, a

    def __call__(self, z: Tensor) -> Step:
        stay, move = self._halves(z)
        shift, log_scale = self._moved_by(stay, move)
        if log_scale is None:
            return self._whole(stay, move + shift), z.new_zeros(())
        return self._whole(stay, move * log_scale.exp() + shift), log_scale.sum(-1)

    def inverse(self, z: Tensor) -> Step:
        stay, move = self._halves(z)
        shift, log_scale = self._moved_by(stay, move)
        if log_scale is None:
            return self._whole(stay, move - shift), z.new_zeros(())
        return self._whole(stay, (move - shift) * (-log_scale).exp()), log_scale.sum(-1)

    def _halves(self, z: Tensor) -> tuple[Tensor, Tensor]:
        stay, move = z.index_select(-1, self.order).split([self.a, z.shape[-1] - self.a], -1)
        return stay, move

    def _whole(self, stay: Tensor, moved: Tensor) -> Tensor:
        stay = stay.expand(*moved.shape[:-1], stay.shape[-1])
        return torch.cat([stay, moved], -1).index_select(-1, self.back)

    def _moved_by(self, stay: Tensor, move: Tensor) -> tuple[Tensor, Tensor | None]:
        out = self.conditioner(stay)
        if out.shape[-1] == move.shape[-1]:
            return out, None
        shift, raw = out.chunk(2, -1)
        # Bounded, so that a few steps of training cannot blow a coordinate up.
        return shift, 2 * torch.tanh(raw / 2)


class Scaling(Transform):
    """z' = e^s z, NICE's last layer.

    Args:
        log_scale: s, `[*, D]`.
    """

    def __init__(self, log_scale: Tensor) -> None:
        self.log_scale = log_scale

    def __call__(self, z: Tensor) -> Step:
        return z * self.log_scale.exp(), self.log_scale.sum(-1)

    def inverse(self, z: Tensor) -> Step:
        return z * (-self.log_scale).exp(), self.log_scale.sum(-1)
