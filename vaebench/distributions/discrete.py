"""Distributions of pixels and bits: of entries with finitely many values."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from vaebench.distributions.base import Distribution, Noise, sum_event


class BernoulliLogits(Distribution):
    """Independent Bernoulli entries with P(x = 1) = sigmoid(logit).

    On grey values in [0, 1] its `log_prob` is the cross-entropy, which is no normalised density.

    Args:
        logits: `[*batch, *event]`.
        event_dims: how many trailing dimensions make one event.

    >>> fair = BernoulliLogits(torch.zeros(2))
    >>> fair.log_prob(torch.tensor([1.0, 0.0])).exp()
    tensor(0.2500)
    """

    is_discrete = True

    def __init__(self, logits: Tensor, event_dims: int = 1) -> None:
        self.logits, self.event_dims = logits, event_dims

    @property
    def batch_shape(self) -> torch.Size:
        return self.logits.shape[: self.logits.ndim - self.event_dims]

    @property
    def event_shape(self) -> torch.Size:
        return self.logits.shape[self.logits.ndim - self.event_dims :]

    @property
    def mean(self) -> Tensor:
        return self.logits.sigmoid()

    def rsample(self, shape: Sequence[int], noise: Noise) -> Tensor:
        u = noise.uniform((*shape, *self.logits.shape), self.logits)
        return (u < self.logits.sigmoid()).to(self.logits.dtype)

    def relaxed(self, shape: Sequence[int], noise: Noise, temperature: float) -> Tensor:
        """sigmoid((logit - logit(u)) / τ), u ~ U(0, 1): above ½ exactly where a draw from the same
        u is 1.

        References:
            The Concrete Distribution (Maddison, Mnih, Teh 2017), https://arxiv.org/abs/1611.00712
            Categorical Reparameterization with Gumbel-Softmax (Jang, Gu, Poole 2017),
            https://arxiv.org/abs/1611.01144
        """
        u = noise.uniform((*shape, *self.logits.shape), self.logits)
        tiny = torch.finfo(u.dtype).eps
        return ((self.logits - u.clamp(tiny, 1 - tiny).logit()) / temperature).sigmoid()

    def factors(self) -> BernoulliLogits:
        return BernoulliLogits(self.logits, 0)

    def log_prob(self, value: Tensor) -> Tensor:
        """Σ_i x_i log p_i + (1 - x_i) log(1 - p_i)."""
        shape = torch.broadcast_shapes(value.shape, self.logits.shape)
        cost = F.binary_cross_entropy_with_logits(
            self.logits.expand(shape), value.expand(shape), reduction="none"
        )
        return -sum_event(cost, self.event_dims)


class CategoricalLevels(Distribution):
    """Independent entries on the L grey levels {0, 1/(L-1), ..., 1}.

    Args:
        logits: `[*batch, L, *event]`.
        event_dims: how many trailing dimensions, after the levels, make one event.
    """

    is_discrete = True

    def __init__(self, logits: Tensor, event_dims: int = 1) -> None:
        self.logits, self.event_dims = logits, event_dims
        self.level_dim = logits.ndim - event_dims - 1

    @property
    def levels(self) -> int:
        """L."""
        return self.logits.shape[self.level_dim]

    @property
    def batch_shape(self) -> torch.Size:
        return self.logits.shape[: self.level_dim]

    @property
    def event_shape(self) -> torch.Size:
        return self.logits.shape[self.level_dim + 1 :]

    @property
    def width(self) -> int:
        return self.levels * self.event_shape.numel()

    @property
    def mean(self) -> Tensor:
        probability = self.logits.softmax(self.level_dim).movedim(self.level_dim, -1)
        return probability @ torch.linspace(0, 1, self.levels).to(probability)

    def rsample(self, shape: Sequence[int], noise: Noise) -> Tensor:
        u = noise.uniform((*shape, *self.logits.shape), self.logits)
        tiny = torch.finfo(u.dtype).tiny
        gumbel = -(-u.clamp_min(tiny).log()).clamp_min(tiny).log()
        level = (self.logits + gumbel).argmax(len(shape) + self.level_dim)
        return level.to(self.logits.dtype) / (self.levels - 1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Σ_i log softmax(logits_i)[x_i (L - 1)]."""
        level = (value * (self.levels - 1)).round().long().unsqueeze(-self.event_dims - 1)
        dim = -self.event_dims - 1
        lead = torch.broadcast_shapes(level.shape[:dim], self.logits.shape[:dim])
        logits = self.logits.expand(*lead, *self.logits.shape[dim:])
        chosen = logits.gather(dim, level.expand(*lead, *level.shape[dim:])).squeeze(dim)
        return sum_event(chosen - self.logits.logsumexp(dim), self.event_dims)
