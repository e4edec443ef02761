"""Densities that are a product over coordinates, each given the ones before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from vaebench.distributions.base import Distribution, Noise

DRAWS = 16
"""Draws that the mean is taken over."""

Step = Callable[[int, Tensor], Distribution]
"""A position, each after the one before, and the value so far → what the coordinate there is drawn
from: of the whole event, or of that coordinate alone, each dimension of its event 1."""


class Autoregressive(Distribution):
    """p(x) = Π_i p(x_i | x_{<i}).

    One pass scores a value; a draw takes as many as there are coordinates, or steps that cost less.

    Args:
        conditional: x `[*, *event]` → independent coordinates with batch `[*]`, of which number i
            depends on those before it alone.
        order: position of each coordinate, `[*event]`, flat or not.
        like: an example of a value's dtype and device.
        batch_shape: of the parameters that the conditional holds.
        steps: shape of what is drawn before the batch → a way to draw it that remembers what it has
            read; without it each coordinate is a pass.
        width: numbers that a pass holds for each batch entry; without it, those of the conditional.
    """

    def __init__(
        self,
        conditional: Callable[[Tensor], Distribution],
        order: Tensor,
        like: Tensor,
        batch_shape: Sequence[int] = (),
        *,
        steps: Callable[[Sequence[int]], Step] | None = None,
        width: int = 0,
    ) -> None:
        self.conditional, self.order, self.like = conditional, order, like
        self.steps = steps or (lambda shape: lambda position, value: conditional(value))
        self._batch_shape, self._width = torch.Size(batch_shape), width

    @property
    def batch_shape(self) -> torch.Size:
        return self._batch_shape

    @property
    def event_shape(self) -> torch.Size:
        return self.order.shape

    @property
    def kind(self) -> str:  # type: ignore[override]  # read rarely, and costs a pass
        return self._at(()).kind

    @property
    def width(self) -> int:
        return self._width or self._at(()).width

    @property
    def mean(self) -> Tensor:
        """E[x], estimated from 16 draws with a fixed seed: the mean of each coordinate given those
        drawn before it."""
        noise = Noise(torch.Generator(self.like.device).manual_seed(0))
        return self.conditional(self.sample((DRAWS,), noise)).mean.mean(0)

    def rsample(self, shape: Sequence[int], noise: Noise) -> Tensor:
        """One coordinate after the other; without gradients."""
        value = self._zeros(shape)
        with torch.no_grad():
            step = self.steps(shape)
            for position in range(self.order.numel()):
                new = step(position, value).rsample((), noise)
                value = torch.where(self.order == position, new, value)
        return value

    def log_prob(self, value: Tensor) -> Tensor:
        return self.conditional(value).log_prob(value)

    def _zeros(self, shape: Sequence[int]) -> Tensor:
        whole = (*shape, *self._batch_shape, *self.event_shape)
        return torch.zeros(whole, dtype=self.like.dtype, device=self.like.device)

    def _at(self, shape: Sequence[int]) -> Distribution:
        with torch.no_grad():
            return self.conditional(self._zeros(shape))
