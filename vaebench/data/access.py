"""How the stored rows of a column become the values of a batch."""

from __future__ import annotations

from collections.abc import Callable

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


def grey_levels(rows: Tensor, generator: torch.Generator | None, *, levels: int) -> Tensor:
    """x = j / (L-1) of stored levels j."""
    return grey(rows, levels)


def above_half(rows: Tensor, generator: torch.Generator | None, *, levels: int) -> Tensor:
    """x = 1 where the grey value exceeds 1/2."""
    return (grey(rows, levels) > 0.5).float()


def dynamic_binarization(rows: Tensor, generator: torch.Generator | None) -> Tensor:
    """x ~ Bernoulli(grey value), drawn afresh at every access (Burda, Grosse, Salakhutdinov 2016).

    What is stored are the grey values' `thresholds`, since a step would wait for them.
    """
    return bernoulli_from_thresholds(rows, generator)


def dequantization(rows: Tensor, generator: torch.Generator | None, *, levels: int) -> Tensor:
    """x = (level + u) / L with u ~ U[0, 1), afresh at every access (Uria, Murray, Larochelle 2013)."""
    # u in steps of 2^-16: level + u is then exact in float32, and never rounds up to the next.
    u = torch.empty(rows.shape, device=rows.device).random_(2**16, generator=generator)
    return u.div_(2**16).add_(rows).div_(levels)


def channels_first(
    rows: Tensor, generator: torch.Generator | None, *, access: Access
) -> Tensor | Batch:
    """Images `[B, H, W]` or `[B, H, W, C]`, C = 1 or 3, as `[B, C, H, W]`, numbers `[B]` as vectors
    `[B, 1]`; others as they are."""
    if rows.ndim in (1, 3):
        rows = rows.unsqueeze(1)
    elif rows.ndim == 4 and rows.shape[-1] in (1, 3) and rows.shape[1] not in (1, 3):
        rows = rows.movedim(-1, 1).contiguous()
    return access(rows, generator)


def gaussian_draws(rows: Tensor, generator: torch.Generator | None) -> Tensor:
    """x = μ + σ ε of stored μ and log σ side by side, `[B, 2 D]` → `[B, D]`, afresh at every access."""
    loc, log_scale = rows.chunk(2, -1)
    eps = torch.randn(loc.shape, generator=generator, device=loc.device)
    return loc + log_scale.exp() * eps
