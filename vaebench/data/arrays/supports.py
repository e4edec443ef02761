"""What the values of an array are: what was declared of it, or what its type says."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from vaebench.data.access import Access, channels_first, floats, grey_levels, integers
from vaebench.data.arrays.files import StoredArray
from vaebench.data.columns import CHUNK, Column, InMemorySplit
from vaebench.data.spec import Support
from vaebench.errors import DataError
from vaebench.suggest import nearest, override, use

MADE = (Support.TOKENS, Support.ONE_HOT)
"""Of sentences and of latents: no array holds them."""

DECLARABLE = [support.value for support in Support if support not in MADE]
BYTES = 256


@dataclass(frozen=True)
class Opened:
    """An array as a column of all examples.

    Attributes:
        column: its rows behind an access.
        support: what their values are.
        levels: how many values a discrete support has.
    """

    column: Column
    support: Support
    levels: int


@dataclass(frozen=True)
class Values:
    """The least and the greatest value of an array, and whether all are whole numbers."""

    low: float
    high: float
    whole: bool

    def __str__(self) -> str:
        kind = "whole numbers" if self.whole else "numbers"
        return f"{kind} from {self.low:g} to {self.high:g}"


Declared = Mapping[str, Support]
"""Supports that are not to be told by types, by the names of the arrays."""


def opened(name: str, array: StoredArray, declared: Declared, mapped: bool) -> Opened:
    """An array, held in memory or mapped from its file.

    Args:
        name: as its file has it.

    Raises:
        DataError: its values are not of its support.
    """
    support = declared.get(name, inferred(array))
    stored = array.mapped() if mapped else array.read()

    def column(access: Access) -> Column:
        return Column(stored, partial(array.of_bytes, access=access) if mapped else access)

    values = _values(column(floats if array.dtype.kind == "f" else integers))
    if line := _objection(name, declared, support, values):
        raise DataError(f"{array.path}: {name} holds {line}")
    levels = _levels(support, array, values)
    return Opened(column(_access(support, levels)), support, levels)


def inferred(array: StoredArray) -> Support:
    """What an array's type says of its values."""
    several = len(array.shape) > 1
    if several and array.dtype == np.bool_:
        return Support.BINARY
    if several and array.dtype == np.uint8:
        return Support.LEVELS
    return Support.REAL if array.dtype.kind == "f" else Support.LABEL


def supports(words: Iterable[str]) -> dict[str, Support]:
    """Supports by name.

    Args:
        words: such as `mask:binary`.

    Raises:
        DataError: one is of another form, or names no support.
    """
    declared: dict[str, Support] = {}
    for word in words:
        name, colon, support = str(word).rpartition(":")
        if not (colon and name and support in DECLARABLE):
            meant = nearest(support, DECLARABLE) if colon and name else None
            hint = f" Did you mean {declaring(declared, name, Support(meant))}?" if meant else ""
            kinds = ", ".join(DECLARABLE)
            raise DataError(
                f"dataset.support=[{word}]: NAME:SUPPORT was expected, of {kinds}.{hint}"
            )
        declared[name] = Support(support)
    return declared


def declaring(declared: Declared, name: str, support: Support) -> str:
    """The override that declares one more."""
    each = {**declared, name: support}
    return override("dataset.support", [f"{n}:{s.value}" for n, s in each.items()])


def _values(column: Column) -> Values:
    """In chunks; nan is the least and the greatest where there is one."""
    split, low, high, whole = InMemorySplit({"x": column}), math.inf, -math.inf, True
    for chunk in torch.arange(len(column)).split(CHUNK):
        values = split.batch(chunk)["x"]
        low, high = min(values.min().item(), low), max(values.max().item(), high)
        whole = whole and bool((values == values.round()).all())
    return Values(low, high, whole)


def _objection(name: str, declared: Declared, support: Support, values: Values) -> str:
    """What is held that is not of a support, or nothing."""
    if not (math.isfinite(values.low) and math.isfinite(values.high)):
        return "nan or infinity; all values must be finite"
    if support is Support.LEVELS and name not in declared and values.high <= 1:
        either = (declaring(declared, name, s) for s in (Support.BINARY, Support.LEVELS))
        return f"bytes of 0 and 1 alone, which may be bits or dark greys.{use(*either)}"
    bounded = support in (Support.UNIT, Support.BINARY)
    fits = values.low >= 0 and (values.whole or support is Support.UNIT)
    if support is Support.REAL or (fits and not (bounded and values.high > 1)):
        return ""
    real = use(declaring(declared, name, Support.REAL))
    return f"{values}, which are not {support.words}.{real}"


def _levels(support: Support, array: StoredArray, values: Values) -> int:
    if support is Support.BINARY:
        return 2
    if support in (Support.REAL, Support.UNIT):
        return 0
    grey_bytes = support is Support.LEVELS and array.dtype == np.uint8
    return BYTES if grey_bytes else max(2, int(values.high) + 1)


def _access(support: Support, levels: int) -> Access:
    if support is Support.LABEL:
        return integers
    grey = partial(grey_levels, levels=levels)
    return partial(channels_first, access=grey if support is Support.LEVELS else floats)
