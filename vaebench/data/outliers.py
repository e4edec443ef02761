"""Outliers that are made of examples: the same pixels elsewhere, or other values in them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from vaebench.data.columns import Columns
from vaebench.data.protocol import HELD_OUT_SEED
from vaebench.data.spec import Field, Support
from vaebench.errors import DataError

Change = Callable[[Tensor, torch.Generator], Tensor]
"""Values of examples `[B, *shape]` → those of as many outliers; the generator is of their device."""

POOL = 5000
"""Training examples whose values stand for a pixel's marginal."""

GREY = (Support.UNIT, Support.LEVELS, Support.BINARY)
REAL = (*GREY, Support.REAL)


def rotated(name: str, field: Field, train: Columns) -> Change:
    """Images turned by 90°, counterclockwise.

    Raises:
        DataError: they are no square images.
    """
    if len(field.shape) != 3 or field.shape[1] != field.shape[2]:
        raise DataError(f"{name} of shape {list(field.shape)} is no square image to be turned")
    return lambda x, generator: x.rot90(1, (-2, -1))


def inverted(name: str, field: Field, train: Columns) -> Change:
    """1 - x.

    Raises:
        DataError: values are none between 0 and 1.
    """
    if field.support not in GREY:
        raise DataError(f"{name} is {field.support.words}, which have no inverse")
    return lambda x, generator: 1 - x


def shuffled(name: str, field: Field, train: Columns) -> Change:
    """Pixels in another order, which is the same for all images, all channels and all runs; of
    vectors, their entries.

    Raises:
        DataError: values are no numbers.
    """
    _need_numbers(name, field)
    shape = field.shape
    kept = shape[:1] if len(shape) == 3 else ()
    pixels = field.numel // (kept[0] if kept else 1)
    order = torch.randperm(pixels, generator=torch.Generator().manual_seed(HELD_OUT_SEED))

    def change(x: Tensor, generator: torch.Generator) -> Tensor:
        rows = x.reshape(len(x), *kept, pixels)
        return rows.index_select(-1, order.to(x.device)).view_as(x)

    return change


def noise(name: str, field: Field, train: Columns) -> Change:
    """Each entry drawn on its own from its marginal: its value in some training example, of 5000 at
    most that lie evenly over the split.

    Raises:
        DataError: values are no numbers.
    """
    _need_numbers(name, field)
    rows = torch.linspace(0, len(train) - 1, min(POOL, len(train))).long()
    pool = train.batch(rows, torch.Generator(train.device).manual_seed(HELD_OUT_SEED))[name]
    return partial(_drawn, pool.flatten(1))


def _drawn(pool: Tensor, x: Tensor, generator: torch.Generator) -> Tensor:
    """Of every entry the value of a random row of the pool `[M, D]`."""
    size = (len(x), pool.shape[1])
    rows = torch.randint(len(pool), size, generator=generator, device=x.device)
    return pool.to(x.device).gather(0, rows).view_as(x)


def _need_numbers(name: str, field: Field) -> None:
    if field.support not in REAL:
        raise DataError(f"{name} is {field.support.words}: its entries are no numbers to be moved")


CHANGES = {change.__name__: change for change in (rotated, inverted, shuffled, noise)}
"""By the name of their function: the values of a name, its field and the training split → a change."""
