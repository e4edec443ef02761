"""Several densities with equal weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from vaebench.distributions.base import Distribution, Noise


class Ensemble(Distribution):
    """p(x) = 1/M Σ_m p_m(x), of densities of the same shapes and without parameters in the batch."""

    def __init__(self, members: Sequence[Distribution]) -> None:
        self.members = list(members)
        self.kind = self.members[0].kind

    @property
    def batch_shape(self) -> torch.Size:
        return self.members[0].batch_shape

    @property
    def event_shape(self) -> torch.Size:
        return self.members[0].event_shape

    @property
    def width(self) -> int:
        return self.members[0].width

    @property
    def mean(self) -> Tensor:
        return torch.stack([m.mean for m in self.members]).mean(0)

    def rsample(self, shape: Sequence[int], noise: Noise) -> Tensor:
        """Each draw from a member of its own."""
        draws = torch.stack([m.rsample(shape, noise) for m in self.members])
        which = noise.uniform((1, *shape, *(1,) * len(self.event_shape)), draws)
        index = (which * len(self.members)).long().clamp(max=len(self.members) - 1)
        return draws.gather(0, index.expand(1, *draws.shape[1:]))[0]

    def log_prob(self, value: Tensor) -> Tensor:
        each = torch.stack([m.log_prob(value) for m in self.members])
        return each.logsumexp(0) - math.log(len(self.members))
