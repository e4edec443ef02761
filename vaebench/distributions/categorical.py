"""Distributions of classes: one-hot variables, and labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vaebench.distributions.base import Distribution, Noise, every_value, sum_event


class OneHot(Distribution):
    """D independent variables of C classes each, with P(x_d = c) = softmax(l_d)_c.

    A value is C floats for each variable, a 1 among 0s, side by side `[D · C]`.

    Args:
        logits: l, `[*batch, D, C]`.

    >>> fair = OneHot(torch.zeros(2, 3))
    >>> fair.log_prob(torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0, 1.0])).exp()
    tensor(0.1111)
    """

    def __init__(self, logits: Tensor) -> None:
        self.logits, self.classes = logits, logits.shape[-1]
        self.kind = f"classes (1 of {self.classes})"

    @property
    def batch_shape(self) -> torch.Size:
        return self.logits.shape[:-2]

    @property
    def event_shape(self) -> torch.Size:
        return torch.Size([self.logits.shape[-2:].numel()])

    @property
    def mean(self) -> Tensor:
        """The classes' probabilities."""
        return self.logits.softmax(-1).flatten(-2)

    def rsample(self, shape: Sequence[int], noise: Noise) -> Tensor:
        return self._one_hot((self.logits + noise.gumbel(self.logits, shape)).argmax(-1))

    def relaxed(self, shape: Sequence[int], noise: Noise, temperature: float) -> Tensor:
        """softmax((l + g) / τ), g ~ Gumbel: largest exactly where a draw from the same noise is 1.

        References:
            The Concrete Distribution (Maddison, Mnih, Teh 2017), https://arxiv.org/abs/1611.00712
            Categorical Reparameterization with Gumbel-Softmax (Jang, Gu, Poole 2017),
            https://arxiv.org/abs/1611.01144
        """
        perturbed = self.logits + noise.gumbel(self.logits, shape)
        return (perturbed / temperature).softmax(-1).flatten(-2)

    def hardened(self, soft: Tensor) -> Tensor:
        return self._one_hot(soft.unflatten(-1, self.logits.shape[-2:]).argmax(-1))

    def values(self) -> Tensor:
        return self._one_hot(every_value(self.classes, self.logits.shape[-2], self.logits))

    def factors(self) -> OneHot:
        return OneHot(self.logits.unsqueeze(-2))

    def log_prob(self, value: Tensor) -> Tensor:
        """Σ_dc x_dc log softmax(l_d)_c, for relaxed values too."""
        return (value * self.logits.log_softmax(-1).flatten(-2)).sum(-1)

    def _one_hot(self, index: Tensor) -> Tensor:
        """Classes `[*, D]` as values `[*, D · C]`."""
        zero = self.logits.new_zeros(*index.shape, self.classes)
        return zero.scatter(-1, index.unsqueeze(-1), 1.0).flatten(-2)


class LabelLogits(Distribution):
    """Independent whole numbers in {0, …, L - 1} with P(y = c) = softmax(l)_c.

    Args:
        logits: l, `[*batch, L, *event]`.
        event_dims: how many trailing dimensions, after the classes, make one event.

    >>> LabelLogits(torch.tensor([0.25, 0.75]).log()).log_prob(torch.tensor(1)).exp()
    tensor(0.7500)
    """

    kind = "labels"

    def __init__(self, logits: Tensor, event_dims: int = 0) -> None:
        self.logits, self.event_dims = logits, event_dims
        self.label_dim = logits.ndim - event_dims - 1

    @property
    def labels(self) -> int:
        """L."""
        return self.logits.shape[self.label_dim]

    @property
    def batch_shape(self) -> torch.Size:
        return self.logits.shape[: self.label_dim]

    @property
    def event_shape(self) -> torch.Size:
        return self.logits.shape[self.label_dim + 1 :]

    @property
    def width(self) -> int:
        return self.labels * self.event_shape.numel()

    @property
    def probabilities(self) -> Tensor:
        """P(y = c), `[*batch, L, *event]`."""
        return self.logits.softmax(self.label_dim)

    @property
    def mean(self) -> Tensor:
        """The most probable labels: their numbers have no order, and no mean."""
        return self.logits.argmax(self.label_dim)

    def rsample(self, shape: Sequence[int], noise: Noise) -> Tensor:
        perturbed = self.logits + noise.gumbel(self.logits, shape)
        return perturbed.argmax(len(shape) + self.label_dim)

    def values(self) -> Tensor:
        each = every_value(self.labels, self.event_shape.numel(), self.logits)
        return each.view(-1, *self.event_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """Σ_i log softmax(l_i)[y_i]."""
        dim = -self.event_dims - 1
        label = value.unsqueeze(dim)
        lead = torch.broadcast_shapes(label.shape[:dim], self.logits.shape[:dim])
        logits = self.logits.expand(*lead, *self.logits.shape[dim:])
        chosen = logits.gather(dim, label.expand(*lead, *label.shape[dim:])).squeeze(dim)
        return sum_event(chosen - self.logits.logsumexp(dim), self.event_dims)
