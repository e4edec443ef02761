"""A moving average of the weights."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from vaebench.runs.find import section


class WeightAverage(nn.Module):
    """θ̄ ← d θ̄ + (1 - d) θ after each step, with d_t = min(decay, (1 + t) / (10 + t)).

    The smaller d of the first steps lets go of the initial weights, so that short runs gain too.
    The average lives in buffers: it is saved, restored and moved with the rest.

    Args:
        model: whose parameters are averaged.
        decay: d, in (0, 1).

    References:
        Acceleration of Stochastic Approximation by Averaging (Polyak, Juditsky 1992)
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        super().__init__()
        self.decay = decay
        for name, value in model.named_parameters():
            self.register_buffer(name.replace(".", "/"), value.detach().clone())

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """After step number `step`."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._values(), list(model.parameters()), 1 - decay)

    @torch.no_grad()
    def swap(self, model: nn.Module) -> None:
        """Exchanges the average and the model's weights; a second call undoes it."""
        for mean, weight in zip(self._values(), model.parameters(), strict=True):
            kept = weight.clone()
            weight.copy_(mean)
            mean.copy_(kept)

    def _values(self) -> list[Tensor]:
        return cast("list[Tensor]", list(self.buffers()))


def evaluated(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The model's weights that a run evaluates, from the state of its system: their average,
    where the run kept one."""
    means = section(state, "average.")
    return section(state, "model.") | {n.replace("/", "."): value for n, value in means.items()}
