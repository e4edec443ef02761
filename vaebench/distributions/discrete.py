"""Distributions of pixels and bits: of entries with finitely many values."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vaebench.distributions.base import Distribution, Noise, every_value, sum_event
from vaebench.distributions.categorical import LabelLogits
from vaebench.distributions.logistic import cross_entropy, log_sigmoid


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

    kind = "bits"

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

    def hardened(self, soft: Tensor) -> Tensor:
        return soft.round()

    def values(self) -> Tensor:
        each = every_value(2, self.event_shape.numel(), self.logits)
        return each.to(self.logits.dtype).view(-1, *self.event_shape)

    def factors(self) -> BernoulliLogits:
        return BernoulliLogits(self.logits, 0)

    def log_prob(self, value: Tensor) -> Tensor:
        """Σ_i x_i log p_i + (1 - x_i) log(1 - p_i)."""
        return -sum_event(cross_entropy(self.logits, value), self.event_dims)

    def log_prob_by_each(self, value: Tensor) -> Tensor:
        """xᵀ l + Σ_i log(1 - p_i), with one product of matrices for all."""
        logits = self.logits.flatten(1)
        rest = log_sigmoid(-logits).sum(-1)
        return torch.addmm(rest, value.reshape(-1, logits.shape[1]), logits.T).view(
            *value.shape[: value.ndim - self.event_dims], -1
        )


class CategoricalLevels(Distribution):
    """Independent entries on the L grey levels {0, 1/(L-1), ..., 1}.

    Args:
        logits: `[*batch, L, *event]`.
        event_dims: how many trailing dimensions, after the levels, make one event.
    """

    kind = "grey levels"

    def __init__(self, logits: Tensor, event_dims: int = 1) -> None:
        self.level = LabelLogits(logits, event_dims)
        self.top = self.level.labels - 1

    @property
    def batch_shape(self) -> torch.Size:
        return self.level.batch_shape

    @property
    def event_shape(self) -> torch.Size:
        return self.level.event_shape

    @property
    def width(self) -> int:
        return self.level.width

    @property
    def mean(self) -> Tensor:
        probability = self.level.probabilities.movedim(self.level.label_dim, -1)
        return probability @ torch.linspace(0, 1, self.level.labels).to(probability)

    def rsample(self, shape: Sequence[int], noise: Noise) -> Tensor:
        return self._grey(self.level.rsample(shape, noise))

    def values(self) -> Tensor:
        return self._grey(self.level.values())

    def log_prob(self, value: Tensor) -> Tensor:
        """Σ_i log softmax(logits_i)[x_i (L - 1)]."""
        return self.level.log_prob((value * self.top).round().long())

    def _grey(self, level: Tensor) -> Tensor:
        return level.to(self.level.logits.dtype) / self.top
