"""A mixture whose components are one conditional distribution at several inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from vaebench.distributions.base import Distribution, Noise


class Mixture(Distribution):
    """p(z) = Σ_m π_m p(z | u_m).

    Args:
        conditional: u `[*, *input]` → distribution with batch `[*]`.
        inputs: u_1..u_M, `[M, *input]`.
        log_weights: log π, `[M]`, normalised.
    """

    def __init__(
        self, conditional: Callable[[Tensor], Distribution], inputs: Tensor, log_weights: Tensor
    ) -> None:
        self.conditional, self.inputs, self.log_weights = conditional, inputs, log_weights
        self.components = conditional(inputs)
        self.scores_given = self.components.scores_given
        self.kind = self.components.kind

    @property
    def batch_shape(self) -> torch.Size:
        return torch.Size()

    @property
    def event_shape(self) -> torch.Size:
        return self.components.event_shape

    @property
    def mean(self) -> Tensor:
        weights = self.log_weights.exp().view(-1, *(1 for _ in self.event_shape))
        return (weights * self.components.mean).sum(0)

    def rsample(self, shape: Sequence[int], noise: Noise) -> Tensor:
        cumulative = self.log_weights.exp().cumsum(0)
        u = noise.uniform(shape, self.log_weights) * cumulative[-1]
        index = torch.searchsorted(cumulative, u, right=True).clamp(max=len(cumulative) - 1)
        return self.conditional(self.inputs[index]).rsample((), noise)

    def log_prob(self, value: Tensor) -> Tensor:
        """log Σ_m π_m p(z | u_m)."""
        return self.log_joint(value).logsumexp(-1)

    def log_joint(self, value: Tensor) -> Tensor:
        """log π_m p(z | u_m) of values `[*, *event]`, `[*, M]`."""
        return self.components.log_prob_by_each(value) + self.log_weights
