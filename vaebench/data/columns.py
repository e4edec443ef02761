"""A split as named columns: in memory on a device, or mapped from a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Self

import torch
from torch import Tensor

from vaebench.data.access import Access, as_is
from vaebench.data.arrangement import Arrangement, Shuffled
from vaebench.data.spec import Batch

CHUNK = 1024
"""Rows that are looked at together where all are. A multiple of four, as many as bits are drawn at
once: draws in chunks are then the same as draws of all."""


NONE: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True)
class Column:
    """Stored rows behind an access.

    Args:
        stored: `[M, *stored]`, in as few bytes as the file has.
        access: makes a batch's values of its rows.
        rows: which stored rows are the examples, `[N]`: parts of one array need no copies of it.
            None: all in their order.
        lengths: how many entries of a row each example fills, `[N]`, at least 1; None: all of them.
            A batch is then as wide as its longest example. They stay on the CPU, since a width read
            from the device would wait for it.
    """

    stored: Tensor
    access: Access = as_is
    rows: Tensor | None = None
    lengths: Tensor | None = None

    def __len__(self) -> int:
        return len(self.stored if self.rows is None else self.rows)

    def first(self, n: int) -> Column:
        """The first n examples."""
        lengths = None if self.lengths is None else self.lengths[:n]
        if self.rows is None:
            return replace(self, stored=self.stored[:n], lengths=lengths)
        return replace(self, rows=self.rows[:n], lengths=lengths)

    def width(self, index: Tensor) -> int | None:
        """Entries that a batch of examples `index` `[B]` fills; None where all examples do alike."""
        return None if self.lengths is None else int(self.lengths[index.cpu()].max())

    def take(self, index: Tensor, width: int | None = None) -> Tensor:
        """Stored rows of examples `index` `[B]`, which is on their device."""
        stored = self.stored if width is None else self.stored[:, :width]
        return stored.index_select(0, index if self.rows is None else self.rows[index])

    def to(self, device: torch.device | str) -> Column:
        """The same column on another device, where its own rows alone are."""
        if self.stored.device == torch.device(device):
            return self
        stored = self.stored if self.rows is None else self.stored[self.rows]
        return replace(self, stored=stored.to(device), rows=None)

    def computed(self, change: Callable[[Tensor], Tensor]) -> Tensor:
        """`change` of all examples' stored rows, `[N, *]`: in chunks, of which it needs no two."""
        chunks = torch.arange(len(self)).split(CHUNK)
        made = change(self.take(chunks[0]))
        whole = made.new_empty((len(self), *made.shape[1:]))
        whole[chunks[0]] = made
        for chunk in chunks[1:]:
            whole[chunk] = change(self.take(chunk))
        return whole


@dataclass
class Columns(ABC):
    """One split of a data set, whose batches are sliced by number.

    Args:
        columns: by the name that their access makes, or, where it makes several, any other.
        arrangement: which examples meet in the batches of a shuffled epoch.
        numbered: whether batches hold `index`, the numbers `[B]` of their examples in this split.
    """

    columns: Mapping[str, Column]
    arrangement: Arrangement = field(default_factory=Shuffled)
    numbered: bool = False

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    @property
    def index_device(self) -> torch.device:
        """Where the rows are taken, and an index is to be."""
        return next(iter(self.columns.values())).stored.device

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where batches are."""

    @abstractmethod
    def to(self, device: torch.device | str) -> Self:
        """The same split, with its batches on another device."""

    def first(self, n: int) -> Self:
        """The first n examples."""
        columns = {name: column.first(n) for name, column in self.columns.items()}
        return replace(self, columns=columns, arrangement=self.arrangement.first(n))

    def widths(self, index: Tensor) -> dict[str, int | None]:
        """The width of each column in a batch of examples `index` `[B]`."""
        return {name: column.width(index) for name, column in self.columns.items()}

    def batch(
        self,
        index: Tensor,
        generator: torch.Generator | None = None,
        widths: Mapping[str, int | None] | None = None,
    ) -> Batch:
        """Examples `index` `[B]`; whatever the protocol draws comes from the generator.

        Args:
            widths: `self.widths(index)`, from whoever knows them without waiting for the device.
        """
        widths = self.widths(index) if widths is None else widths
        at, batch = index.to(self.index_device), dict[str, Tensor]()
        for name, column in self.columns.items():
            made = column.access(column.take(at, widths[name]).to(self.device), generator)
            batch |= made if isinstance(made, Mapping) else {name: made}
        return batch | ({"index": index.to(self.device)} if self.numbered else {})

    def means(self, labels: Mapping[str, int] = NONE) -> Batch:
        """Means over the examples of all names that are floats, `[*shape]` each: in chunks, summed in
        64 bits.

        Args:
            labels: name → L of labels, of which is told how often each class occurs, `[L, *shape]`;
                of none that has more classes than there are examples.
        """
        sums: dict[str, Tensor] = {}
        few = {name: levels for name, levels in labels.items() if levels <= len(self)}
        for chunk in torch.arange(len(self)).split(CHUNK):
            for name, values in self.batch(chunk).items():
                if name in few:
                    more = _counts(values, few[name])
                elif values.is_floating_point():
                    more = values.sum(0, dtype=torch.float64)
                else:
                    continue
                sums[name] = sums[name] + more if name in sums else more
        return {name: (total / len(self)).float() for name, total in sums.items()}


def _counts(labels: Tensor, levels: int) -> Tensor:
    """How many of labels `[B, *shape]` are of each class, `[levels, *shape]`."""
    none = torch.zeros(levels, *labels.shape[1:], dtype=torch.float64, device=labels.device)
    return none.scatter_add(0, labels, torch.ones_like(labels, dtype=torch.float64))


class InMemorySplit(Columns):
    """A split in the memory of its device: a batch never crosses to the device again."""

    @property
    def device(self) -> torch.device:
        return self.index_device

    def to(self, device: torch.device | str) -> Self:
        return replace(self, columns={n: c.to(device) for n, c in self.columns.items()})


@dataclass
class MappedSplit(Columns):
    """A split that stays on disk: its rows are read, and go to the device, batch by batch."""

    target: torch.device | str = "cpu"

    @property
    def device(self) -> torch.device:
        return torch.device(self.target)

    def to(self, device: torch.device | str) -> Self:
        return replace(self, target=device)
