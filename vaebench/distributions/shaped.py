"""A density of vectors as one of images, or of whatever else has as many entries."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vaebench.distributions.base import Distribution, Noise


class Shaped(Distribution):
    """A density of vectors `[D]`, of events of another shape.

    Args:
        vectors: the density.
        shape: of an event, D entries in all.
    """

    def __init__(self, vectors: Distribution, shape: Sequence[int]) -> None:
        self.vectors, self.shape = vectors, torch.Size(shape)
        self.has_rsample, self.kind = vectors.has_rsample, vectors.kind

    @property
    def batch_shape(self) -> torch.Size:
        return self.vectors.batch_shape

    @property
    def event_shape(self) -> torch.Size:
        return self.shape

    @property
    def mean(self) -> Tensor:
        return self._shaped(self.vectors.mean)

    def rsample(self, shape: Sequence[int], noise: Noise) -> Tensor:
        return self._shaped(self.vectors.rsample(shape, noise))

    def log_prob(self, value: Tensor) -> Tensor:
        lead = value.shape[: value.ndim - len(self.shape)]
        return self.vectors.log_prob(value.reshape(*lead, -1))

    def _shaped(self, vectors: Tensor) -> Tensor:
        return vectors.reshape(*vectors.shape[:-1], *self.shape)
