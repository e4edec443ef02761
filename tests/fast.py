"""Which cells of a test over compositions belong to the loop of edit and test."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def some_of(cells: Iterable[Any], every: int) -> list[Any]:
    """The cells; `make fast` takes one in `every`, from the first, `make test` also the others, which
    are marked `matrix`."""
    return [_matrix(cell) if i % every else cell for i, cell in enumerate(cells)]


def first_of(cells: Iterable[Any]) -> list[Any]:
    """The cells, all but the first marked `matrix`."""
    cells = list(cells)
    return some_of(cells, len(cells))


def _matrix(cell: Any) -> Any:
    values = cell if isinstance(cell, tuple) else (cell,)
    return pytest.param(*values, marks=pytest.mark.matrix)
