"""The interface of a distribution, and where its randomness comes from.

The interface is that of `torch.distributions`, with two differences that everything above relies
on: every draw takes its `Noise` from outside, and a draw comes with a way to score it that reuses
what the draw already knows.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

from vaebench.errors import Incompatible

Score = Callable[[], Tensor]
"""A log-density that is computed when, and only if, somebody asks for it."""

LOG_2PI = math.log(2 * math.pi)

REAL = "real numbers"
"""The kind of values that move along a gradient."""

LISTED = 1024
"""Values of a discrete distribution that are listed at most."""


class Noise:
    """The only source of randomness of a trace.

    Args:
        generator: where numbers come from; None is torch's global generator of the device.
    """

    def __init__(self, generator: torch.Generator | None = None) -> None:
        self.generator = generator

    def lent(self) -> torch.Generator | None:
        """The generator, for what draws from nothing else."""
        return self.generator

    def normal(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """N(0, 1) draws with the dtype and device of `like`."""
        return torch.randn(shape, generator=self.generator, dtype=like.dtype, device=like.device)

    def uniform(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """U[0, 1) draws with the dtype and device of `like`."""
        return torch.rand(shape, generator=self.generator, dtype=like.dtype, device=like.device)

    def gumbel(self, like: Tensor, shape: Sequence[int] = ()) -> Tensor:
        """-log(-log u), u ~ U(0, 1), `[*shape, *like.shape]`: the largest of logits plus these is
        softmax(logits)'s draw."""
        u = self.uniform((*shape, *like.shape), like)
        tiny = torch.finfo(u.dtype).tiny
        return -(-u.clamp_min(tiny).log()).clamp_min(tiny).log()


class Shared(Noise):
    """Noise of which all examples of a batch get the same, and which starts anew with each of these.

    Args:
        lead: k and B.
        device: where it is drawn.
    """

    def __init__(self, lead: tuple[int, int], device: torch.device) -> None:
        super().__init__(torch.Generator(device).manual_seed(0))
        self.lead = lead

    def normal(self, shape: Sequence[int], like: Tensor) -> Tensor:
        return super().normal(self._own(shape), like).expand(*shape)

    def uniform(self, shape: Sequence[int], like: Tensor) -> Tensor:
        return super().uniform(self._own(shape), like).expand(*shape)

    def _own(self, shape: Sequence[int]) -> Sequence[int]:
        return (shape[0], 1, *shape[2:]) if tuple(shape[:2]) == self.lead else shape


GLOBAL = Noise()
"""Draws from torch's own generators, whoever else does."""


class Distribution(ABC):
    """A density over values `[*sample, *batch_shape, *event_shape]`."""

    has_rsample: bool = False
    """Whether a draw carries the pathwise gradient of the parameters."""

    has_density: bool = True
    """Whether `log_prob` exists at all; a bound needs it."""

    scores_given: bool = True
    """Whether `log_prob` takes values that were not drawn here."""

    independent: bool = True
    """Whether several draws for one batch entry are independent of each other."""

    kind: str = REAL
    """What values are, as a refusal says it."""

    classes: int = 1
    """Entries of a value that stand for one variable: as many as it has classes, where values are
    one-hot."""

    @property
    def is_discrete(self) -> bool:
        """Whether values are points of a grid, so that nothing moves along a gradient."""
        return self.kind != REAL

    @property
    @abstractmethod
    def batch_shape(self) -> torch.Size:
        """Leading shape of the parameters."""

    @property
    @abstractmethod
    def event_shape(self) -> torch.Size:
        """Shape of one value."""

    @property
    @abstractmethod
    def mean(self) -> Tensor:
        """E[x], `[*batch_shape, *event_shape]`."""

    @abstractmethod
    def rsample(self, shape: Sequence[int], noise: Noise) -> Tensor:
        """Values `[*shape, *batch_shape, *event_shape]`; differentiable where `has_rsample`."""

    @abstractmethod
    def log_prob(self, value: Tensor) -> Tensor:
        """log density of a value, `[*batch]` after broadcasting."""

    def log_prob_by_each(self, value: Tensor) -> Tensor:
        """log density of each value `[*, *event]` under each of a batch `[M]`, `[*, M]`; override where
        it is a product of matrices."""
        return self.log_prob(value.unsqueeze(-len(self.event_shape) - 1))

    def rsample_and_log_prob(self, shape: Sequence[int], noise: Noise) -> tuple[Tensor, Score]:
        """A draw and how to score it; override where one pass serves both."""
        value = self.rsample(shape, noise)
        return value, partial(self.log_prob, value)

    def score_of(self, value: Tensor, noise: Noise) -> Score:
        """How to score a given value; override where the density itself draws something first."""
        return partial(self.log_prob, value)

    def relaxed(self, shape: Sequence[int], noise: Noise, temperature: float) -> Tensor:
        """Draws off the grid of a discrete distribution, differentiable in its parameters, which
        tend to draws as the temperature falls to 0."""
        raise Incompatible(f"{type(self).__name__} has no continuous relaxation")

    def hardened(self, soft: Tensor) -> Tensor:
        """The point of the grid that is nearest to a relaxed draw."""
        raise Incompatible(f"{type(self).__name__} has no continuous relaxation")

    def values(self) -> Tensor:
        """All values of one event, `[V, *event]`.

        Raises:
            Incompatible: they are not finitely many, or more than 1024.
        """
        raise Incompatible(f"{type(self).__name__} has not finitely many values to be listed")

    def sample(self, shape: Sequence[int] = (), noise: Noise | None = None) -> Tensor:
        """Values without gradients."""
        with torch.no_grad():
            return self.rsample(shape, noise or Noise())

    def factors(self) -> Distribution | None:
        """The coordinates as events of their own, batch `[*batch, *event]`, or, of one-hot values,
        the variables, batch `[*batch, D]`; None where they depend on each other."""
        return None

    @property
    def width(self) -> int:
        """Numbers that one batch entry's parameters hold, to size evaluation chunks."""
        return self.event_shape.numel()


class Torch(Distribution):
    """A `torch.distributions` object behind this interface; meant for the rarer families.

    Args:
        dist: built with `validate_args=False` where it is on a hot path.
    """

    def __init__(self, dist: torch.distributions.Distribution) -> None:
        self.dist, self.has_rsample = dist, dist.has_rsample
        self.kind = _kind(dist.support)

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
        draw = self.dist.rsample if self.has_rsample else self.dist.sample
        generator = noise.lent()
        if generator is None:
            return draw(torch.Size(shape))
        # torch.distributions draws from the global generator only: lend it a seed of ours.
        device = generator.device
        seed = torch.randint(2**62, (), generator=generator, device=device).item()
        with torch.random.fork_rng(devices=[] if device.type == "cpu" else [device]):
            _reseed(device, int(seed))
            return draw(torch.Size(shape))

    def log_prob(self, value: Tensor) -> Tensor:
        return self.dist.log_prob(value)


def _kind(support: Any) -> str:
    """What the values of a `torch.distributions` support are; None says nothing of them."""
    while isinstance(support, constraints.independent):
        support = support.base_constraint
    if support is None or not support.is_discrete:
        return REAL
    return "bits" if support is constraints.boolean else "whole numbers"


def _reseed(device: torch.device, seed: int) -> None:
    """Seeds one device's global generator; `torch.manual_seed` would seed them all."""
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        getattr(torch, device.type).manual_seed(seed)


def every_value(levels: int, width: int, like: Tensor) -> Tensor:
    """All points of {0, …, L - 1}^D, whole numbers `[L^D, D]` on the device of `like`.

    Raises:
        Incompatible: they are more than 1024.
    """
    if levels**width > LISTED:
        why = f"{width} variables of {levels} values each have {levels}^{width} values together"
        raise Incompatible(f"{why}, and at most {LISTED} are listed")
    each = torch.arange(levels, device=like.device)
    return torch.cartesian_prod(*[each] * width).view(-1, width)


def sum_event(x: Tensor, event_dims: int) -> Tensor:
    """Sum over the last `event_dims` dimensions."""
    return x.flatten(-event_dims).sum(-1) if event_dims else x
