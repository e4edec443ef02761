"""A study: a measurement that is no training run of a user's, with a table and pictures."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from vaebench.composition import Composition
from vaebench.progress import steps

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
    """A measurement by itself. Its fields are its options."""

    seed: int = 0

    @abstractmethod
    def run(self, say: Say) -> Findings:
        """Measures.

        Raises:
            Refusal: an option that means nothing.
        """


@dataclass
class ModelStudy(ABC):
    """A measurement of a model that further words on the command line choose."""

    seed: int = 0

    @abstractmethod
    def of(self, composition: Composition, say: Say) -> Findings:
        """Measures a composed model.

        Raises:
            Refusal: an option or a model that means nothing here.
        """


def descents(parameters: Sequence[nn.Parameter], lr: float, count: int) -> Iterator[int]:
    """Steps of Adam, whose size falls from `lr` to 0 along a half cosine; whoever goes over them
    leaves a gradient in each."""
    optimizer = torch.optim.Adam(parameters, lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, count)
    for step in steps(range(count)):
        optimizer.zero_grad()
        yield step
        nn.utils.clip_grad_norm_(parameters, 10.0)
        optimizer.step()
        schedule.step()


def train(composition: Composition, count: int, lr: float) -> None:
    """A few steps of the run's own objective, by Adam on batches of 100."""
    model, objective = composition.model, composition.objective
    split = composition.split("train")
    optimizer = torch.optim.Adam([*model.parameters(), *objective.parameters()], lr=lr)
    for step in steps(range(count), "training"):
        index = torch.randint(len(split), (100,))
        optimizer.zero_grad()
        estimate = objective(model, split.batch(index), torch.tensor(step))
        objective.keep(estimate.state)
        estimate.loss.backward()
        optimizer.step()


def mean_se(values: Tensor) -> tuple[float, float]:
    """Mean of draws and its standard error."""
    values = values.detach().double().flatten()
    return values.mean().item(), (values.std() / math.sqrt(len(values))).item()
