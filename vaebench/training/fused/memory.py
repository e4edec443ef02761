"""How many jobs a device's memory holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vaebench.training.fused.lane import Lane
from vaebench.training.fused.strand import Strand
from vaebench.training.fused.trial import Unfit

PER_PARAMETER = 6
"""Tensors of a weight's size that a job in a stack has: weight, gradient, two moments, and what is
made of these on the way."""

SHARE = 2
"""A stack may take this part of the memory that is free."""


def fitting(strand: Strand) -> int:
    """How many jobs like this one train together within half of what is free."""
    try:
        lane = Lane(strand)
        needed = _weights(lane) + 2 * _kept(lane)
    except Unfit:
        return 1
    return max(1, int(_free(lane.device) / SHARE / needed))


def _weights(lane: Lane) -> int:
    return PER_PARAMETER * sum(p.nbytes for p in lane.system.parameters())


def _kept(lane: Lane) -> int:
    """Bytes of a step that are kept for its gradient."""
    kept: dict[int, int] = {}

    def keep(value: Tensor) -> Tensor:
        kept[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
        return value

    with torch.autograd.graph.saved_tensors_hooks(keep, _as_is):
        lane.tried()
    return sum(kept.values())


def _as_is(value: Any) -> Any:
    return value


def _free(device: torch.device) -> float:
    """Bytes that nobody uses; where the system does not tell, as many as there need be."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:  # not Linux
        return float("inf")
    told = dict(line.split(":") for line in lines)
    return 1024 * int(told["MemAvailable"].split()[0])
