"""A density of numbers whose draws lead nowhere along a slope."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vaebench.distributions.base import Distribution, Noise


class Pathless(Distribution):
    """A density whose draws carry no gradient, for a model that makes nothing smooth of them: where
    an image is cropped at whole pixels, a path through the draw would say that nothing matters.

    Args:
        dist: the density.
    """

    def __init__(self, dist: Distribution) -> None:
        self.dist, self.kind = dist, dist.kind

    @property
    def batch_shape(self) -> torch.Size:
        return self.dist.batch_shape

    @property
    def event_shape(self) -> torch.Size:
        return self.dist.event_shape

    @property
    def mean(self) -> Tensor:
        return self.dist.mean

    def rsample(self, shape: Sequence[int], noise: Noise) -> Tensor:
        return self.dist.rsample(shape, noise).detach()

    def log_prob(self, value: Tensor) -> Tensor:
        return self.dist.log_prob(value)
