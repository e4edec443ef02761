"""Means over examples that come in batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class Means:
    """Means over examples, summed on the device and read once."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.total: Tensor | None = None
        self.count = 0

    def add(self, terms: dict[str, Tensor], size: int) -> None:
        """Adds a batch's means; the same names at every call."""
        self.names = list(terms)
        means = torch.stack([term.detach().mean() for term in terms.values()]) * size
        self.total = means if self.total is None else self.total + means
        self.count += size

    def state(self) -> dict[str, Any]:
        """Plain values and tensors, for a checkpoint."""
        return {"names": self.names, "total": self.total, "count": self.count}

    def load(self, state: dict[str, Any]) -> None:
        """What `state` gave."""
        self.names, self.total, self.count = state["names"], state["total"], state["count"]

    def over(self, sum_over_processes: Callable[[Tensor], Tensor]) -> Means:
        """The means over the examples of all processes."""
        assert self.total is not None
        both = sum_over_processes(torch.cat([self.total, self.total.new_tensor([self.count])]))
        self.total, self.count = both[:-1], round(both[-1].item())
        return self

    def read(self) -> dict[str, float]:
        """Name → mean, and a fresh start."""
        values = [] if self.total is None else (self.total / self.count).tolist()
        self.total, self.count = None, 0
        return dict(zip(self.names, values, strict=True))
