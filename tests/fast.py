"""Which cells of a test over compositions belong to the loop of edit and test."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def first_of(cells: Iterable[Any]) -> list[Any]:
    """The cells, all but the first marked `matrix`: `make fast` takes one, `make test` all."""
    one, *others = cells
    return [one, *(_matrix(cell) for cell in others)]


def choices_together(lines: Iterable[str]) -> list[Any]:
    """Command lines; those that put choices of several groups together are marked `matrix`."""
    return [_matrix(line) if _together(line) else line for line in lines]


def _matrix(cell: Any) -> Any:
    values = cell if isinstance(cell, tuple) else (cell,)
    return pytest.param(*values, marks=pytest.mark.matrix)


def _together(line: str) -> bool:
    words = [word.partition("=") for word in line.split()]
    return len(words) > 1 and all(
        name.isidentifier() and value.isidentifier() for name, _, value in words
    )
