"""Which examples meet in the batches of an epoch.

Batches are a function of the generator alone, which a `Loader` seeds by (seed, epoch), and every epoch
has as many. Where several processes train, each takes every world-th example of the same batches.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from vaebench.errors import DataError

POOL = 50
"""Batches that are sorted together. More would pad less, and make more alike from epoch to epoch
which examples meet in a batch."""


class Arrangement(ABC):
    """How the examples of a split become the batches of a shuffled epoch."""

    @abstractmethod
    def batches(self, examples: int, size: int, generator: torch.Generator) -> list[Tensor]:
        """The numbers of each batch's examples.

        Args:
            examples: N.
            size: M, of a complete batch.
            generator: of every draw.
        """

    @abstractmethod
    def first(self, n: int) -> Arrangement:
        """Of the first n examples."""


class Shuffled(Arrangement):
    """A random order, cut into batches: each example once an epoch."""

    def batches(self, examples: int, size: int, generator: torch.Generator) -> list[Tensor]:
        return list(torch.randperm(examples, generator=generator).split(size))

    def first(self, n: int) -> Arrangement:
        return self


@dataclass(frozen=True)
class ByLength(Arrangement):
    """Batches of examples of similar length, so that little of them is padding: each once an epoch.

    Of a random order, pools of `POOL` batches are sorted by length, where equal lengths stay in the
    order given; the batches cut from them then come in random order. What fills no batch stays last,
    and a random part of the examples: whoever drops it drops long and short ones alike. A process's
    part is as wide as its whole batch.

    Args:
        lengths: of the examples, `[N]`.
    """

    lengths: Tensor

    def batches(self, examples: int, size: int, generator: torch.Generator) -> list[Tensor]:
        order = torch.randperm(examples, generator=generator)
        whole = examples - examples % size
        pools = order[:whole].split(POOL * size) if whole else ()
        batches = [batch for pool in pools for batch in self._sorted(pool).split(size)]
        rest = [order[whole:]] if whole < examples else []
        return [*_in_random_order(batches, generator), *rest]

    def _sorted(self, pool: Tensor) -> Tensor:
        return pool[self.lengths[pool].argsort(stable=True)]

    def first(self, n: int) -> Arrangement:
        return ByLength(self.lengths[:n])


@dataclass(frozen=True)
class ByLabel(Arrangement):
    """So many labelled examples in each batch, before the others.

    An epoch has each example without a label once, and as many labelled ones as that takes: each as
    often as any other, or once more. They come first, so that each process has its share of them.

    Args:
        labelled: 1 where an example has a label, else 0, `[N]`.
        count: labelled examples of a batch, fewer than there are in a batch; 0: as large a share of it
            as of all examples, and at least a tenth.
    """

    labelled: Tensor
    count: int = 0

    def batches(self, examples: int, size: int, generator: torch.Generator) -> list[Tensor]:
        count = self.count or self._share(size)
        if count >= size:
            raise DataError(
                f"trainer.batch_size={size} has no room beside dataset.labelled={count}. "
                f"Use trainer.batch_size={2 * count}."
            )
        others = _shuffled((self.labelled == 0).nonzero().squeeze(1), generator)
        parts = others.split(size - count)
        known, wanted = self.labelled.nonzero().squeeze(1), count * len(parts)
        rounds = -(-wanted // len(known))
        again = torch.cat([_shuffled(known, generator) for _ in range(rounds)])[:wanted]
        pairs = zip(again.split(count), parts, strict=True)
        return [torch.cat(pair) for pair in pairs]

    def _share(self, size: int) -> int:
        """Labelled examples of a batch of so many, and at least one that is not."""
        share = round(size * self.labelled.double().mean().item())
        return min(max(1, size // 10, share), max(1, size - 1))

    def first(self, n: int) -> Arrangement:
        return ByLabel(self.labelled[:n], self.count)


@dataclass(frozen=True)
class ByFactor(Arrangement):
    """Batches in which one factor varies and the others are fixed (Kulkarni, Whitney, Kohli, Tenenbaum
    2015).

    An epoch lets each factor vary in turn, in batches of random order: it has each example once for
    each factor. A batch holds examples that are alike in all other factors, and no more of them than
    there are: it may be smaller than a complete one. A process's part varies in the same factor.

    With shares, batches of the factors are in this ratio, and as many as the scarcest of them has: of
    the others a random part. A lone example is then in no batch, since nothing varies.

    Args:
        factors: `[N, F]`, integers.
        shares: of each factor, at least 0; empty: each has all its batches.

    Raises:
        DataError: of `batches`, where a factor with a share has none.
    """

    factors: Tensor
    shares: tuple[int, ...] = ()

    def batches(self, examples: int, size: int, generator: torch.Generator) -> list[Tensor]:
        batches = [
            [
                batch
                for group in self._alike(varying)
                for batch in _shuffled(group, generator).split(size)
            ]
            for varying in range(self.factors.shape[1])
        ]
        if self.shares:
            batches = [_in_random_order([*filter(_several, b)], generator) for b in batches]
            pairs = [*zip(batches, self.shares, strict=True)]
            rounds = min(len(some) / share for some, share in pairs if share)
            if not rounds:
                raise DataError(
                    "no two training examples differ in one factor alone, for a batch in which it "
                    "varies. Use dataset.split.val=1 dataset.split.test=1, or more values of a factor."
                )
            batches = [some[: round(rounds * share)] for some, share in pairs]
        return _in_random_order([*chain.from_iterable(batches)], generator)

    def _alike(self, varying: int) -> Iterator[Tensor]:
        """Examples that are alike in all factors but one."""
        fixed = self.factors.clone()
        fixed[:, varying] = 0
        _, group, counts = fixed.unique(dim=0, return_inverse=True, return_counts=True)
        yield from group.argsort(stable=True).split(counts.tolist())

    def first(self, n: int) -> Arrangement:
        return ByFactor(self.factors[:n], self.shares)


def _several(batch: Tensor) -> bool:
    return len(batch) > 1


def _shuffled(numbers: Tensor, generator: torch.Generator) -> Tensor:
    return numbers[torch.randperm(len(numbers), generator=generator)]


def _in_random_order(batches: list[Tensor], generator: torch.Generator) -> list[Tensor]:
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]
