"""One optimizer of several jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

MakesOptimizer = Callable[[list[dict[str, Any]]], torch.optim.Optimizer]


class Merged:
    """One optimizer of the parameters of several jobs, whose own hold what it knows of theirs.

    Parameter groups of equal options are one group of it. A parameter's state is the same object in
    both, so that a job's checkpoint is that of a job alone.

    Args:
        optimizers: of the jobs.
        make: parameter groups → an optimizer of their kind.
    """

    def __init__(self, optimizers: Sequence[torch.optim.Optimizer], make: MakesOptimizer) -> None:
        self.optimizers = optimizers
        self.groups = [group for one in optimizers for group in one.param_groups]
        self.one = make([{**group} for group in self.groups])
        self.rates: list[Any] = []

    def begin(self) -> None:
        """Takes over what the jobs' own know."""
        self.rates = []
        for own in self.optimizers:
            self.one.state.update(own.state)

    def step(self) -> None:
        """Of all parameters that have a gradient, each at its job's rate."""
        rates = [group["lr"] for group in self.groups]
        if rates != self.rates:
            self.rates = rates
            self._regroup()
        self.one.step()

    def end(self) -> None:
        """Hands over to the jobs' own."""
        for own in self.optimizers:
            for parameter in _parameters(own):
                if parameter in self.one.state:
                    own.state[parameter] = self.one.state[parameter]

    def _regroup(self) -> None:
        merged: dict[str, dict[str, Any]] = {}
        for group in self.groups:
            options = {name: value for name, value in group.items() if name != "params"}
            found = merged.setdefault(repr(options), {**options, "params": []})
            found["params"].extend(group["params"])
        self.one.param_groups = list(merged.values())


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
