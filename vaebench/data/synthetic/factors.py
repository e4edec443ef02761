"""Images that are made of known factors, in all their combinations."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from vaebench.data.access import integers
from vaebench.data.base import Dataset, Part
from vaebench.data.columns import Column, InMemorySplit
from vaebench.data.protocol import Split
from vaebench.data.spec import Field, Spec, Support

SEEN = 20_000
"""Training images at most that the mean image is taken over."""


class Factors(Dataset):
    """Images x of factors v_1, …, v_F: one example for each combination of their values.

    A batch holds `x` and, as labels, each factor by its name. What is stored are the values: images
    are made of them at each access. A new one implements `levels` and `render`.

    Args:
        split: which combinations are held out.
    """

    def __init__(self, *, split: Split) -> None:
        self.held_out = split

    @property
    @abstractmethod
    def levels(self) -> Mapping[str, int]:
        """How many values each factor has, by name."""

    @abstractmethod
    def render(self, values: Tensor) -> Tensor:
        """Binary images `[B, 1, H, W]`, as floats, of values `[B, F]`, integers from 0."""

    @property
    def size(self) -> int:
        """Combinations, N."""
        return math.prod(self.levels.values())

    def values(self, numbers: Tensor) -> Tensor:
        """The factors `[*, F]` of examples by their numbers `[*]`; the last factor counts fastest."""
        found = []
        for levels in reversed([*self.levels.values()]):
            found.append(numbers % levels)
            numbers = numbers // levels
        return torch.stack(found[::-1], -1)

    def drawn(self, n: int, generator: torch.Generator) -> dict[str, Tensor]:
        """A batch of n examples of independent, equally probable factors, whatever split they are of.

        Args:
            generator: on the CPU.
        """
        values = self.values(torch.randint(self.size, (n,), generator=generator))
        return {"x": self.render(values), **dict(zip(self.levels, values.unbind(1), strict=True))}

    @cached_property
    def index(self) -> dict[str, Tensor]:
        """Numbers of the examples of each split."""
        self.held_out.check(type(self).__name__, official=False)
        return self.held_out.indices(self.size)

    @cached_property
    def spec(self) -> Spec:
        train = self.split("train")
        means = train.first(min(SEEN, len(train))).means(self.levels)
        x = Field(tuple(means["x"].shape), Support.BINARY, 2, means["x"])
        of_each = {n: Field((), Support.LABEL, k, means[n]) for n, k in self.levels.items()}
        return Spec({"x": x, **of_each}, len(train))

    def split(self, part: Part) -> InMemorySplit:
        values = self.values(self.index[part]).byte()
        each = {n: Column(values[:, f], integers) for f, n in enumerate(self.levels)}
        return InMemorySplit({"x": Column(values, lambda rows, _: self.render(rows)), **each})

    @property
    def protocol(self) -> dict[str, Any]:
        return self.held_out.record(self.index) | {"factors": dict(self.levels)}
