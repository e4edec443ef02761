"""Which latent dimensions carry anything: active units, and the KL of each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vaebench.trace import Evidence

ACTIVE = 0.01
"""Var_x(E_q[z_d | x]) above which a unit is active (Burda, Grosse, Salakhutdinov 2016)."""

MOST = 200
"""Dimensions whose KLs are reported one by one."""


@dataclass
class Moments:
    """Running mean and sum of squared deviations of vectors, batch by batch (Chan et al. 1979)."""

    count: int
    mean: Tensor
    squares: Tensor

    @classmethod
    def of(cls, values: Tensor) -> Moments:
        """Of a batch `[B, D]`."""
        mean = values.mean(0)
        return cls(len(values), mean, (values - mean).square().sum(0))

    def __add__(self, other: Moments) -> Moments:
        count, shift = self.count + other.count, other.mean - self.mean
        between = shift.square() * self.count * other.count / count
        mean = self.mean + shift * other.count / count
        return Moments(count, mean, self.squares + other.squares + between)

    @property
    def variance(self) -> Tensor:
        """Over all examples so far, `[D]`."""
        return self.squares / max(1, self.count - 1)


class Latents:
    """Accumulates, over the batches of a pass, what each latent dimension does.

    `active_units` counts dimensions with Var_x(E_q[z_d | x]) > 0.01. `kl/z.d` is E_x KL(q_d ‖ p_d),
    where the KL is a sum over dimensions in closed form; of more than 200 dimensions `kl/z` alone.
    """

    def __init__(self) -> None:
        self.means: dict[str, Moments] = {}
        self.kls: dict[str, Moments] = {}

    def add(self, evidence: Evidence) -> None:
        """The evidence of a batch."""
        for name in evidence.latents:
            dist = evidence.q[name].dist
            _gather(self.means, name, dist.mean, dist.event_shape)
            kl = evidence.kl_by_dimension(name)
            if kl is not None:
                _gather(self.kls, name, kl, dist.event_shape)

    def read(self, part: str) -> dict[str, float]:
        """`part/active_units` and `part_kl/z.d`; nothing where there are no latents."""
        found = {f"{part}_{name}": value for name, value in self.divergences.items()}
        return found | ({f"{part}/active_units": self.active} if self.means else {})

    @property
    def active(self) -> float:
        """Number of active units."""
        return float(sum((m.variance > ACTIVE).sum() for m in self.means.values()))

    @property
    def divergences(self) -> dict[str, float]:
        """`kl/z.d` → E_x KL(q_d ‖ p_d); `kl/z`, their sum, where all latents together have more
        dimensions than one wants to read."""
        if sum(kl.mean.numel() for kl in self.kls.values()) > MOST:
            return {f"kl/{name}": kl.mean.sum().item() for name, kl in self.kls.items()}
        return {
            f"kl/{name}.{d}": value
            for name, kl in self.kls.items()
            for d, value in enumerate(kl.mean.tolist())
        }


def _gather(into: dict[str, Moments], name: str, values: Tensor, event: torch.Size) -> None:
    """Adds `[*event]`, `[B, *event]` or `[k, B, *event]`, the last averaged over k."""
    batched = values.detach().cpu().double()  # some accelerators have no float64
    batched = batched.reshape(*values.shape[: values.ndim - len(event)], event.numel())
    if batched.ndim == 3:
        batched = batched.mean(0)
    moments = Moments.of(batched.view(-1, event.numel()))
    into[name] = into[name] + moments if name in into else moments
