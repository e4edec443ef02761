"""A point mass."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vaebench.distributions.base import Distribution, Noise
from vaebench.errors import Incompatible


class Delta(Distribution):
    """All mass at one value: an encoder without noise. It has no density, so no bound either.

    Args:
        value: `[*batch, *event]`.
        event_dims: how many trailing dimensions make one event.
    """

    has_rsample = True
    has_density = False

    def __init__(self, value: Tensor, event_dims: int = 1) -> None:
        self.value, self.event_dims = value, event_dims

    @property
    def batch_shape(self) -> torch.Size:
        return self.value.shape[: self.value.ndim - self.event_dims]

    @property
    def event_shape(self) -> torch.Size:
        return self.value.shape[self.value.ndim - self.event_dims :]

    @property
    def mean(self) -> Tensor:
        return self.value

    def rsample(self, shape: Sequence[int], noise: Noise) -> Tensor:
        return self.value.expand(*shape, *self.value.shape)

    def log_prob(self, value: Tensor) -> Tensor:
        raise Incompatible(
            "this posterior has no density, so this objective has no bound on log p(x).",
            "objective",
            "posterior",
        )
