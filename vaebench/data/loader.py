"""Batches of a split, in an arrangement that (seed, epoch) fix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from vaebench.data.columns import Columns
from vaebench.data.seeds import ORDER, derived
from vaebench.data.spec import Batch
from vaebench.errors import DataError


class Loader:
    """Batches of a split.

    A shuffled epoch's batches are those of the split's arrangement, a function of `(seed, epoch)`
    alone. A split that is not shuffled comes in its own order.

    Where several processes train, each takes every world-th example of the same batches; whatever
    the protocol draws is drawn for the whole batch, so that the data are those of one process. A
    part is as wide as its whole batch.

    Args:
        split: what to slice.
        batch_size: M.
        shuffle: whether the batches change with the epoch.
        seed: of the arrangement.
        epoch: tells the epoch when a pass begins.
        generator: of whatever the protocol draws at an access.
        partial: whether incomplete batches are kept.
        rank: which of the processes this is.
        world: how many there are.

    Attributes:
        share: this process's part of the latest batch times `world`: what the mean over its
            examples must be weighed by for the mean over processes to be the mean over the batch.
    """

    def __init__(
        self,
        split: Columns,
        batch_size: int,
        *,
        shuffle: bool,
        seed: int = 0,
        epoch: Callable[[], int] = lambda: 0,
        generator: torch.Generator | None = None,
        partial: bool = True,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.split, self.batch_size, self.shuffle = split, batch_size, shuffle
        self.seed, self.generator, self.epoch = seed, generator, epoch
        self.partial, self.rank, self.world = partial, rank, world
        self.position, self.share = 0, 1.0
        sizes = [*map(len, self._numbers(0))]
        self.count = sum(map(self._is_kept, sizes))  # of every epoch
        if not self.count:
            raise DataError(
                f"trainer.batch_size={batch_size}: no complete batch in {len(split)} examples. "
                f"Use trainer.batch_size={max(sizes)}."
            )

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Batch]:
        batches = self._batches()
        start, self.position = self.position, 0
        for i, (index, widths) in enumerate(batches[start:], start + 1):
            self.position = i % len(batches)
            batch = self.split.batch(index, self.generator, widths)
            yield batch if self.world == 1 else self._own(batch, len(index))

    def _batches(self) -> list[tuple[Tensor, dict[str, int | None]]]:
        """The examples of each batch, where the split wants them, and its widths, known before."""
        numbers = [index for index in self._numbers(self.epoch()) if self._is_kept(len(index))]
        widths = [self.split.widths(index) for index in numbers]
        placed = torch.cat(numbers).to(self.split.index_device).split([*map(len, numbers)])
        return list(zip(placed, widths, strict=True))

    def _numbers(self, epoch: int) -> list[Tensor]:
        """The examples of each batch of an epoch, incomplete ones among them."""
        examples = len(self.split)
        if not self.shuffle:
            return list(torch.arange(examples).split(self.batch_size))
        generator = torch.Generator().manual_seed(derived(self.seed, ORDER, epoch))
        return self.split.arrangement.batches(examples, self.batch_size, generator)

    def _is_kept(self, size: int) -> bool:
        return self.partial or size == self.batch_size

    def _own(self, batch: Batch, size: int) -> Batch:
        """This process's part; where a last batch has none, one example that weighs nothing."""
        mine = len(range(self.rank, size, self.world))
        self.share = mine * self.world / size
        first = self.rank if mine else 0
        return {name: value[first :: self.world] for name, value in batch.items()}

    def state(self) -> dict[str, Any]:
        """How many batches of this pass are out, and where the generator stands."""
        noise = None if self.generator is None else self.generator.get_state()
        return {"position": self.position, "noise": noise}

    def load(self, state: dict[str, Any]) -> None:
        """The next pass begins where `state` was taken."""
        self.position = state["position"]
        if self.generator is not None:
            self.generator.set_state(state["noise"])
