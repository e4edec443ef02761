"""Images that are made of known factors, in all their combinations."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import Tensor

from vaebench.data.access import integers
from vaebench.data.arrangement import ByFactor
from vaebench.data.base import Dataset, Part
from vaebench.data.columns import Column, InMemorySplit
from vaebench.data.protocol import Split
from vaebench.data.spec import Batch, Field, Spec, Support
from vaebench.errors import DataError

NONE: Mapping[str, int] = MappingProxyType({})

BYTE = 256
"""Values that one byte tells apart."""


class Factors(Dataset):
    """Images x of factors v_1, …, v_F: one example for each combination of their values.

    A batch holds `x` and, as labels, each factor by its name. What is stored are the values: images
    are made of them at each access. A new one implements `levels` and `render`; what has more names
    than x makes them in `made`, and tells of them in `fields`.

    Args:
        split: which combinations are held out.
        vary: factor → share of the training batches in which it varies and all others are fixed;
            empty: all vary in all batches.

    Raises:
        DataError: `vary` names what is no factor or has one value, or has a negative share.
    """

    support: ClassVar[Support] = Support.BINARY
    """Of x."""

    grey_levels: ClassVar[int] = 2
    """Of x; 0: it is continuous."""

    seen: ClassVar[int] = 20_000
    """Training images at most that the mean image is taken over."""

    def __init__(self, *, split: Split, vary: Mapping[str, int] = NONE) -> None:
        self.held_out, self.vary = split, dict(vary)
        several = [name for name, levels in self.levels.items() if levels > 1]
        if vary and not ({*vary} <= {*several} and min(vary.values()) >= 0 < sum(vary.values())):
            told = ",".join(f"{name}:{share}" for name, share in vary.items())
            every = ",".join(f"{name}:1" for name in several)
            raise DataError(
                f"dataset.vary={{{told}}}: shares from 0 of what has several values, "
                f"{', '.join(several)}. Use 'dataset.vary={{{every}}}'."
            )

    @property
    @abstractmethod
    def levels(self) -> Mapping[str, int]:
        """How many values each factor has, by name."""

    @property
    def ordered(self) -> tuple[str, ...]:
        """Factors whose values are at distances from each other: no names, and nothing that comes round."""
        return ()

    @abstractmethod
    def render(self, values: Tensor) -> Tensor:
        """Images `[B, C, H, W]`, as floats, of values `[B, F]`, integers from 0."""

    def made(self, values: Tensor, generator: torch.Generator | None) -> dict[str, Tensor]:
        """What a batch holds beside its labels: `x` and whatever else is made of values `[B, F]`.

        Args:
            generator: of what is drawn at each access; None: nothing is.
        """
        return {"x": self.render(values)}

    def fields(self, means: Batch) -> dict[str, Field]:
        """What `made` makes, given the training means of all that are floats."""
        x = means["x"]
        return {"x": Field(tuple(x.shape), self.support, self.grey_levels, x)}

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
        return {**self.made(values, None), **dict(zip(self.levels, values.unbind(1), strict=True))}

    @cached_property
    def index(self) -> dict[str, Tensor]:
        """Numbers of the examples of each split."""
        self.held_out.check(type(self).__name__, official=False)
        return self.held_out.indices(self.size)

    @cached_property
    def spec(self) -> Spec:
        train = self.split("train")
        means = train.first(min(self.seen, len(train))).means(self.levels)
        of_each = {n: Field((), Support.LABEL, k, means.get(n)) for n, k in self.levels.items()}
        alone = tuple(name for name, share in self.vary.items() if share)
        return Spec({**self.fields(means), **of_each}, len(train), alone)

    def split(self, part: Part) -> InMemorySplit:
        split = self.examples(self.index[part])
        if part != "train" or not self.vary:
            return split
        shares = tuple(self.vary.get(name, 0) for name in self.levels)
        return replace(split, arrangement=ByFactor(split.columns["x"].stored.long(), shares))

    def examples(self, numbers: Tensor) -> InMemorySplit:
        """Some of all combinations, by their numbers `[N]`."""
        dtype = torch.uint8 if max(self.levels.values()) <= BYTE else torch.int16
        values = self.values(numbers).to(dtype)
        each = {n: Column(values[:, f], integers) for f, n in enumerate(self.levels)}
        return InMemorySplit({"x": Column(values, self.made), **each})

    @property
    def protocol(self) -> dict[str, Any]:
        vary = {"vary": self.vary} if self.vary else {}
        return self.held_out.record(self.index) | {"factors": dict(self.levels)} | vary


def spread(value: Tensor, levels: int, least: float, most: float) -> Tensor:
    """Values 0, …, levels - 1 at equal distances from the least to the most; of one, the middle.

    >>> spread(torch.tensor([0, 1, 2]), 3, -1.0, 1.0)
    tensor([-1.,  0.,  1.])
    """
    if levels == 1:
        return torch.full_like(value, (least + most) / 2, dtype=torch.float32)
    return least + (most - least) / (levels - 1) * value.float()


def counted(option: str, grid: Sequence[int], names: Sequence[str]) -> dict[str, int]:
    """A grid's numbers of values, by name.

    Raises:
        DataError: it has more or fewer of them, or one of no value.
    """
    if len(grid) != len(names) or min(grid) < 1:
        told, use = ",".join(map(str, grid)), ",".join("8" for _ in names)
        raise DataError(
            f"{option}=[{told}]: at least one value of each of {', '.join(names)}. Use {option}=[{use}]."
        )
    return dict(zip(names, grid, strict=True))
