"""What a batch holds: the shape and support of each of its names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import torch
from torch import Tensor

Batch = Mapping[str, Tensor]
"""Examples by name, `[B, *]` each."""


class Support(StrEnum):
    """Values that an entry can take."""

    REAL = "real"  # any float
    UNIT = "unit"  # [0, 1], continuous
    LEVELS = "levels"  # {0, 1/(L-1), ..., 1}: L grey levels
    BINARY = "binary"  # {0, 1}, as floats
    LABEL = "label"  # {0, ..., L-1}, as integers
    ONE_HOT = "one_hot"  # variables of L classes, as L floats each: a 1 among 0s
    TOKENS = "tokens"  # {0, ..., V-1}, as integers: a sentence, its end, padding

    @property
    def words(self) -> str:
        """As a refusal says it: the data are …"""
        return SAID[self]

    @property
    def bounded(self) -> bool:
        """Whether values lie in [0, 1]."""
        return self in (Support.UNIT, Support.LEVELS, Support.BINARY, Support.ONE_HOT)


SAID = {
    Support.REAL: "real numbers",
    Support.UNIT: "continuous grey values in [0, 1]",
    Support.LEVELS: "grey levels in [0, 1]",
    Support.BINARY: "binary",
    Support.LABEL: "labels of classes",
    Support.ONE_HOT: "classes",
    Support.TOKENS: "tokens",
}

LABELLED = "labelled"
"""The name that says of which examples the label is known: 1 of these, 0 of the others."""

PAD, EOS, UNK = 0, 1, 2
"""Token numbers of padding, of a sentence's end, and of what the vocabulary lacks."""

EXAMPLE_WIDTH = 6
"""Columns of a made-up sentence at most: enough to tell, and little to compute."""


@dataclass(frozen=True)
class Field:
    """One name of a batch.

    Args:
        shape: shape of one example, without the batch; of `TOKENS` `[L]`, the longest with its end,
            where a batch is as wide as its own longest.
        support: the values its entries can take.
        levels: how many values a discrete support has, or classes a variable of `ONE_HOT`; for
            `UNIT`, how many grey levels were dequantized to reach it (0: none, the data are
            continuous).
        mean: mean over the training split, `[*shape]`; of `LABEL`, how often each class occurs there,
            `[levels, *shape]`. Decoders may start from it.
        symbols: the vocabulary of `TOKENS`, by token number.
        joiner: what stands between the symbols of a sentence that is written out.

    >>> image = Field((1, 2, 2), Support.BINARY, levels=2)
    >>> image.example(3, torch.Generator().manual_seed(0)).shape
    torch.Size([3, 1, 2, 2])
    """

    shape: tuple[int, ...]
    support: Support = Support.REAL
    levels: int = 0
    mean: Tensor | None = field(default=None, compare=False, repr=False)
    symbols: tuple[str, ...] = field(default=(), compare=False, repr=False)
    joiner: str = field(default=" ", compare=False, repr=False)

    @property
    def numel(self) -> int:
        """Number of entries of one example."""
        return math.prod(self.shape)

    def fits(self, values: Tensor) -> bool:
        """Whether values `[B, *]` have this shape; a batch of sentences may be narrower."""
        shape = tuple(values.shape[1:])
        if self.support is Support.TOKENS:
            return len(shape) == 1 and 1 <= shape[0] <= self.shape[0]
        return shape == self.shape

    def example(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Random values of this support, `[batch_size, *shape]`; of `TOKENS`, narrower."""
        shape = (batch_size, *self.shape)
        match self.support:
            case Support.TOKENS:
                return self._sentences(batch_size, generator)
            case Support.REAL:
                return torch.randn(shape, generator=generator)
            case Support.UNIT:
                return torch.rand(shape, generator=generator)
            case Support.ONE_HOT:
                count = (batch_size, self.numel // self.levels)
                classes = torch.randint(self.levels, count, generator=generator)
                return torch.eye(self.levels)[classes].view(shape)
        values = torch.randint(self.levels, shape, generator=generator)
        return values if self.support is Support.LABEL else values / (self.levels - 1)

    def _sentences(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Tokens, then one end, then padding `[batch_size, l]`; the first row alone fills all l."""
        width = min(self.shape[0], EXAMPLE_WIDTH)
        tokens = torch.randint(UNK, self.levels, (batch_size, width), generator=generator)
        shortest = min(1, max(width - 2, 0))  # a sentence of no word only where L leaves no other
        ends = torch.randint(shortest, max(width - 1, 1), (batch_size, 1), generator=generator)
        ends[0] = width - 1
        column = torch.arange(width)
        return torch.where(column < ends, tokens, torch.where(column == ends, EOS, PAD))


@dataclass(frozen=True)
class Spec:
    """The names of a batch, how many training examples there are (N), and which factors vary alone in
    some of their batches."""

    fields: Mapping[str, Field]
    size: int
    alone: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Field:
        return self.fields[name]

    @property
    def label(self) -> str | None:
        """The name of the label, which is one of each example; None where there is none."""
        of_one = (n for n, f in self.fields.items() if f.support is Support.LABEL and not f.shape)
        return next((name for name in of_one if name != LABELLED), None)

    def example(self, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
        """A made-up batch: what the dry run before training feeds the programs."""
        generator = torch.Generator().manual_seed(seed)
        return {name: f.example(batch_size, generator) for name, f in self.fields.items()}
