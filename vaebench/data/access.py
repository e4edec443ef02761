"""How the stored rows of a column become the values of a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vaebench.data.protocol import bernoulli_from_thresholds
from vaebench.data.spec import Batch

Access = Callable[[Tensor, torch.Generator | None], Tensor | Batch]
"""Stored rows `[B, *stored]` on the device of the batch, and a generator of whatever is drawn, → the
column's values `[B, *shape]`, or several names of a batch that are made of the same rows."""


def as_is(rows: Tensor, generator: torch.Generator | None) -> Tensor:
    """Values are used as they are stored."""
    return rows


def integers(rows: Tensor, generator: torch.Generator | None) -> Tensor:
    """Tokens and labels: 64 bits are what an embedding or a gather asks for."""
    return rows.long()


def floats(rows: Tensor, generator: torch.Generator | None) -> Tensor:
    """Bits, and numbers of any precision, in 32 bits."""
    return rows.float()


def grey(rows: Tensor, levels: int) -> Tensor:
    """Grey values in [0, 1]: j / (L-1) of levels j; with L = 0 they are stored."""
    return rows.float() / (levels - 1) if levels else rows


@dataclass(frozen=True)
class GreyLevels:
    """x = j / (L-1) of stored levels j."""

    levels: int

    def __call__(self, rows: Tensor, generator: torch.Generator | None) -> Tensor:
        return grey(rows, self.levels)


@dataclass(frozen=True)
class Threshold:
    """x = 1 where the grey value exceeds 1/2."""

    levels: int

    def __call__(self, rows: Tensor, generator: torch.Generator | None) -> Tensor:
        return (grey(rows, self.levels) > 0.5).float()


def dynamic_binarization(rows: Tensor, generator: torch.Generator | None) -> Tensor:
    """x ~ Bernoulli(grey value), drawn afresh at every access (Burda, Grosse, Salakhutdinov 2016).

    What is stored are the grey values' `thresholds`, since a step would wait for them.
    """
    return bernoulli_from_thresholds(rows, generator)


@dataclass(frozen=True)
class Dequantization:
    """x = (level + u) / L with u ~ U[0, 1), afresh at every access (Uria, Murray, Larochelle 2013)."""

    levels: int

    def __call__(self, rows: Tensor, generator: torch.Generator | None) -> Tensor:
        # u in steps of 2^-16: level + u is then exact in float32, and never rounds up to the next.
        u = torch.empty(rows.shape, device=rows.device).random_(2**16, generator=generator)
        return u.div_(2**16).add_(rows).div_(self.levels)


@dataclass(frozen=True)
class ChannelsFirst:
    """Images `[B, H, W]` or `[B, H, W, C]`, C = 1 or 3, as `[B, C, H, W]`, numbers `[B]` as vectors
    `[B, 1]`; others as they are."""

    access: Access

    def __call__(self, rows: Tensor, generator: torch.Generator | None) -> Tensor | Batch:
        if rows.ndim in (1, 3):
            rows = rows.unsqueeze(1)
        elif rows.ndim == 4 and rows.shape[-1] in (1, 3) and rows.shape[1] not in (1, 3):
            rows = rows.movedim(-1, 1).contiguous()
        return self.access(rows, generator)


@dataclass(frozen=True)
class FromBytes:
    """Rows of `[*shape]` that are stored as bytes `[B, n]`, as in a file that is mapped.

    A file puts numbers at any address; rows that were taken from it are where a processor wants them.
    """

    dtype: torch.dtype
    shape: tuple[int, ...]
    access: Access

    def __call__(self, rows: Tensor, generator: torch.Generator | None) -> Tensor | Batch:
        return self.access(rows.view(self.dtype).view(len(rows), *self.shape), generator)
