"""A study: a measurement that is no training run of a user's, with a table and pictures."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Say = Callable[[str], None]
"""Tells how far a study has come."""


@dataclass
class Findings:
    """What a study found.

    Attributes:
        rows: of its table, each with the same columns; `x_se` is the standard error of `x`.
        figures: by file name without its end.
        notes: what a reader should know.
    """

    rows: list[dict[str, Any]]
    figures: dict[str, Figure] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass
class Study(ABC):
    """Its fields are its options."""

    seed: int = 0

    @abstractmethod
    def run(self, say: Say) -> Findings:
        """Measures.

        Raises:
            Refusal: an option that means nothing.
        """


def mean_se(values: Tensor) -> tuple[float, float]:
    """Mean of draws and its standard error."""
    values = values.detach().double().flatten()
    return values.mean().item(), (values.std() / math.sqrt(len(values))).item()
