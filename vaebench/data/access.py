"""How stored values of `x` become the values of a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from vaebench.data.protocol import bernoulli_from_thresholds, thresholds


class Access(ABC):
    """How stored values of `x` become the values of a batch, on their device."""

    @abstractmethod
    def prepare(self, stored: Tensor) -> Tensor:
        """What to keep resident, from what was read."""

    @abstractmethod
    def __call__(self, kept: Tensor, generator: torch.Generator | None) -> Tensor:
        """Values of a batch, `[B, *shape]`, from kept values of its examples."""


class AsIs(Access):
    """Values are used as they are stored."""

    def prepare(self, stored: Tensor) -> Tensor:
        return stored

    def __call__(self, kept: Tensor, generator: torch.Generator | None) -> Tensor:
        return kept


class Tokens(Access):
    """Token numbers: 32 bits each are kept, 64 are what an embedding or a gather asks for."""

    def prepare(self, stored: Tensor) -> Tensor:
        return stored.int()

    def __call__(self, kept: Tensor, generator: torch.Generator | None) -> Tensor:
        return kept.long()


class DynamicBinarization(Access):
    """x ~ Bernoulli(grey value), drawn afresh at every access (Burda, Grosse, Salakhutdinov 2016)."""

    def prepare(self, stored: Tensor) -> Tensor:
        return thresholds(stored)

    def __call__(self, kept: Tensor, generator: torch.Generator | None) -> Tensor:
        return bernoulli_from_thresholds(kept, generator)


class Threshold(Access):
    """x = 1 where the grey value exceeds 1/2."""

    def prepare(self, stored: Tensor) -> Tensor:
        return (stored > 0.5).float()

    def __call__(self, kept: Tensor, generator: torch.Generator | None) -> Tensor:
        return kept


@dataclass(frozen=True)
class Dequantization(Access):
    """x = (level + u) / L with u ~ U[0, 1), afresh at every access (Uria, Murray, Larochelle 2013)."""

    levels: int

    def prepare(self, stored: Tensor) -> Tensor:
        return (stored * (self.levels - 1)).round()

    def __call__(self, kept: Tensor, generator: torch.Generator | None) -> Tensor:
        # u in steps of 2^-16: level + u is then exact in float32, and never rounds up to the next.
        bits = torch.empty(kept.shape, device=kept.device).random_(2**16, generator=generator)
        return (kept + bits / 2**16) / self.levels
