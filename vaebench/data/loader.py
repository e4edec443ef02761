"""Batches of a resident split, in an order that (seed, epoch) fix."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from vaebench.data.arrangement import bucketed
from vaebench.data.resident import Batch, Resident
from vaebench.data.seeds import ORDER, derived
from vaebench.errors import DataError


class Loader:
    """Batches of a resident split.

    A shuffled epoch's order is a function of `(seed, epoch)` alone; where the split asks for it, its
    batches hold examples of similar length. A split that is not shuffled comes in its own order.

    Where several processes train, each takes every world-th example of the same batches; whatever
    the protocol draws is drawn for the whole batch, so that the data are those of one process. A
    part is as wide as its whole batch.

    Args:
        split: what to slice.
        batch_size: M.
        shuffle: whether the order changes with the epoch.
        seed: of the order.
        epoch: tells the epoch when a pass begins.
        generator: of whatever the protocol draws at an access.
        partial: whether the incomplete last batch is kept.
        rank: which of the processes this is.
        world: how many there are.

    Attributes:
        share: this process's part of the latest batch times `world`: what the mean over its
            examples must be weighed by for the mean over processes to be the mean over the batch.
    """

    def __init__(
        self,
        split: Resident,
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
        if not partial and len(split) < batch_size:
            raise DataError(
                f"trainer.batch_size={batch_size}: no complete batch in {len(split)} examples. "
                f"Use trainer.batch_size={len(split)}."
            )
        self.split, self.batch_size, self.shuffle = split, batch_size, shuffle
        self.seed, self.generator, self.epoch = seed, generator, epoch
        self.partial, self.rank, self.world = partial, rank, world
        self.position, self.share = 0, 1.0

    def __len__(self) -> int:
        return (math.ceil if self.partial else math.floor)(len(self.split) / self.batch_size)

    def order(self) -> Tensor:
        """The order of this epoch's examples, `[N]`."""
        if not self.shuffle:
            return torch.arange(len(self.split))
        seed = derived(self.seed, ORDER, self.epoch())
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(self.split), generator=generator)
        if self.split.lengths is None or not self.split.bucket:
            return order
        return bucketed(order, self.split.lengths, self.batch_size, generator)

    def __iter__(self) -> Iterator[Batch]:
        batches = self._batches()
        start, self.position = self.position, 0
        for i, (index, width) in enumerate(batches[start:], start + 1):
            self.position = i % len(batches)
            batch = self.split.batch(index, self.generator, width)
            yield batch if self.world == 1 else self._own(batch, len(index))

    def _batches(self) -> list[tuple[Tensor, int | None]]:
        """The examples of each batch, on the device, and its width, known before they get there."""
        order = self.order()
        widths = [self.split.width(index) for index in order.split(self.batch_size)]
        indices = order.to(self.split.kept.device).split(self.batch_size)
        return list(zip(indices, widths, strict=True))[: len(self)]

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
