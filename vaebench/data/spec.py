"""What a batch holds: the shape and support of each of its names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import torch
from torch import Tensor


class Support(StrEnum):
    """Values that an entry can take."""

    REAL = "real"  # any float
    UNIT = "unit"  # [0, 1], continuous
    LEVELS = "levels"  # {0, 1/(L-1), ..., 1}: L grey levels
    BINARY = "binary"  # {0, 1}, as floats
    LABEL = "label"  # {0, ..., L-1}, as integers


@dataclass(frozen=True)
class Field:
    """One name of a batch.

    Args:
        shape: shape of one example, without the batch.
        support: the values its entries can take.
        levels: how many values a discrete support has; for `UNIT`, how many grey levels
            were dequantized to reach it (0: none, the data are continuous).
        mean: mean over the training split, `[*shape]`; decoders may start from it.
    """

    shape: tuple[int, ...]
    support: Support = Support.REAL
    levels: int = 0
    mean: Tensor | None = field(default=None, compare=False, repr=False)

    @property
    def numel(self) -> int:
        """Number of entries of one example."""
        return math.prod(self.shape)

    def example(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Random values of this support, `[batch_size, *shape]`."""
        shape = (batch_size, *self.shape)
        match self.support:
            case Support.REAL:
                return torch.randn(shape, generator=generator)
            case Support.UNIT:
                return torch.rand(shape, generator=generator)
        values = torch.randint(self.levels, shape, generator=generator)
        return values if self.support is Support.LABEL else values / (self.levels - 1)


@dataclass(frozen=True)
class Spec:
    """The names of a batch, and how many training examples there are (N)."""

    fields: Mapping[str, Field]
    size: int

    def __getitem__(self, name: str) -> Field:
        return self.fields[name]

    def example(self, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
        """A made-up batch: what the dry run before training feeds the programs."""
        generator = torch.Generator().manual_seed(seed)
        return {name: f.example(batch_size, generator) for name, f in self.fields.items()}
