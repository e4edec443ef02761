"""Batches of examples of similar length, so that little of them is padding."""

from __future__ import annotations

import torch
from torch import Tensor

POOL = 50
"""Batches that are sorted together. More would pad less, and make more alike from epoch to epoch
which examples meet in a batch."""


def bucketed(order: Tensor, lengths: Tensor, batch_size: int, generator: torch.Generator) -> Tensor:
    """The same examples, reordered so that batches cut from them hold similar lengths, `[N]`.

    Pools of `POOL` batches are sorted by length, where equal lengths stay in the order given; the
    batches cut from them then come in random order. What fills no batch stays last, and a random
    part of the examples: whoever drops it drops long and short ones alike.

    Args:
        order: a random order, `[N]`.
        lengths: of the examples by number, `[N]`.
        batch_size: M.
        generator: of the order of batches.
    """
    whole = len(order) - len(order) % batch_size
    pools = order[:whole].split(POOL * batch_size)
    batches = torch.cat([_sorted(pool, lengths) for pool in pools]).view(
        whole // batch_size, batch_size
    )
    shuffled = batches[torch.randperm(len(batches), generator=generator)]
    return torch.cat([shuffled.flatten(), order[whole:]])


def _sorted(pool: Tensor, lengths: Tensor) -> Tensor:
    return pool[lengths[pool].argsort(stable=True)]
