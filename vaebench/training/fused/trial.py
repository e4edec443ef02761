"""What a step of a job alone tells of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vaebench.data import Batch
from vaebench.distributions import Noise

Draw = tuple[str, tuple[int, ...], torch.dtype]
"""Which method of a noise was asked, and for what."""


class Unfit(Exception):
    """Why a job cannot train in a stack."""


class Recorder(Noise):
    """Draws from a generator, and remembers what it was asked for."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__(generator)
        self.draws: list[Draw] = []
        self.kept: list[Tensor] = []

    def lent(self) -> torch.Generator | None:
        """None can be lent: what was drawn from it would not be known."""
        raise Unfit("it draws inside torch.distributions")

    def normal(self, shape: Sequence[int], like: Tensor) -> Tensor:
        return self._keep("normal", super().normal(shape, like))

    def uniform(self, shape: Sequence[int], like: Tensor) -> Tensor:
        return self._keep("uniform", super().uniform(shape, like))

    def _keep(self, kind: str, noise: Tensor) -> Tensor:
        self.draws.append((kind, tuple(noise.shape), noise.dtype))
        self.kept.append(noise)
        return noise


@dataclass
class Trial:
    """A step that was tried alone, on the first examples.

    Attributes:
        batch: these.
        noise: all that was drawn, in order, and how it was asked for.
        loss: scalar.
        gradients: by name, of those that the loss depends on.
        names: of terms, and of the objective's state.
    """

    batch: Batch
    noise: list[Tensor]
    draws: list[Draw]
    loss: Tensor
    gradients: dict[str, Tensor]
    names: tuple[list[str], list[str]]
