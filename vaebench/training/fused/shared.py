"""Where a run takes its steps: alone, or with others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from vaebench.training.blocks import Blocks
from vaebench.training.fused.lane import Asked
from vaebench.training.fused.strand import MINE, Strand

if TYPE_CHECKING:
    from vaebench.training.system import System

ALONE = None
"""The answer to a run that has nobody to take its steps with."""


class Shared:
    """Blocks of steps that are taken together with other jobs', as long as there are any.

    Args:
        blocks: how this run would take its steps alone.
        strand: its work.
    """

    def __init__(self, blocks: Blocks, strand: Strand) -> None:
        self.blocks, self.strand, self.alone = blocks, strand, False

    def take(self, iterator: Iterator[Any]) -> None:
        """The next block."""
        taken = None if self.alone else self.strand.ask(Asked(self.blocks, iterator))
        if taken is ALONE:
            self.alone = True
            self.blocks.take(iterator)
            return
        if taken.undone is not None:
            self.blocks.leave_out(taken.undone)
        self.blocks.batches.increment_by(taken.steps + (taken.undone is not None) - 1)


def blocks_of(system: System, most: int | str) -> Blocks | Shared:
    """How a run takes its steps, of which a block has so many at most."""
    own, strand = Blocks(system, most), MINE.get()
    return own if strand is None else Shared(own, strand)
