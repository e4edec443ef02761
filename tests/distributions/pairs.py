"""Each distribution of the package beside the same one of torch.distributions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
import torch.distributions as td
from torch import Tensor

from vaebench.distributions import (
    BernoulliLogits,
    CategoricalLevels,
    DiagNormal,
    Distribution,
    FullNormal,
    LowRankNormal,
    Mixture,
    OneHot,
    Shaped,
    StandardNormal,
    Torch,
)


@dataclass
class Pair:
    """The same density twice; `all_values` are those of one event where they can be listed."""

    ours: Distribution
    theirs: td.Distribution
    all_values: Tensor | None = None


class Levels(td.Independent):
    """torch's categorical, whose values are levels on [0, 1] instead of indices."""

    def __init__(self, logits: Tensor, event_dims: int) -> None:
        self.top = logits.shape[-1] - 1
        super().__init__(td.Categorical(logits=logits), event_dims)

    def log_prob(self, value: Tensor) -> Tensor:
        return super().log_prob((value * self.top).round())

    @property
    def mean(self) -> Tensor:
        return self.base_dist.probs @ torch.linspace(0, 1, self.top + 1)


class OneHots(td.Independent):
    """torch's one-hot categoricals, side by side in one flat event."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__(td.OneHotCategorical(logits=logits), 1)
        self.parts = logits.shape[-2:]

    @property
    def event_shape(self) -> torch.Size:
        return torch.Size([self.parts.numel()])

    def log_prob(self, value: Tensor) -> Tensor:
        return super().log_prob(value.unflatten(-1, self.parts))

    @property
    def mean(self) -> Tensor:
        return super().mean.flatten(-2)


def numbers(*shape: int) -> Tensor:
    """Parameters, the same at every call."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))


def diag_normal() -> Pair:
    loc, log_scale = numbers(3, 2), 0.5 * numbers(3, 2).flip(0)
    theirs = td.Independent(td.Normal(loc, log_scale.exp()), 1)
    return Pair(DiagNormal(loc, log_scale), theirs)


def diag_normal_of_images() -> Pair:
    loc, log_scale = numbers(3, 1, 2, 2), torch.tensor(-0.4)
    theirs = td.Independent(td.Normal(loc, log_scale.exp()), 3)
    return Pair(DiagNormal(loc, log_scale, event_dims=3), theirs)


def standard_normal() -> Pair:
    zero = torch.zeros(2)
    return Pair(StandardNormal(zero), td.Independent(td.Normal(zero, 1.0), 1))


def standard_normal_of_images() -> Pair:
    zero = torch.zeros(1, 2, 2)
    return Pair(StandardNormal(zero), td.Independent(td.Normal(zero, 1.0), 3))


def full_normal() -> Pair:
    loc, tril = numbers(3, 2), numbers(3, 2, 2).tril(-1) + torch.tensor([0.6, 1.3]).diag()
    return Pair(FullNormal(loc, tril), td.MultivariateNormal(loc, scale_tril=tril))


def bernoulli() -> Pair:
    logits = numbers(3, 2, 2)
    bits = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 4).view(-1, 2, 2)
    return Pair(
        BernoulliLogits(logits, event_dims=2), td.Independent(td.Bernoulli(logits=logits), 2), bits
    )


def categorical() -> Pair:
    logits = numbers(3, 5, 1, 2)
    levels = torch.cartesian_prod(*[torch.linspace(0, 1, 5)] * 2).view(-1, 1, 2)
    return Pair(CategoricalLevels(logits, event_dims=2), Levels(logits.movedim(1, -1), 2), levels)


def one_hot() -> Pair:
    logits = numbers(3, 2, 4)
    each = torch.eye(4)
    values = torch.stack([torch.cat([a, b]) for a in each for b in each])
    return Pair(OneHot(logits), OneHots(logits), values)


def mixture() -> Pair:
    params, log_weights = numbers(4, 4), torch.tensor([0.1, 0.2, 0.3, 0.4]).log()
    loc, log_scale = params.chunk(2, -1)
    parts = td.Independent(td.Normal(loc, log_scale.exp()), 1)
    ours = Mixture(lambda u: DiagNormal(*u.chunk(2, -1)), params, log_weights)
    return Pair(ours, td.MixtureSameFamily(td.Categorical(logits=log_weights), parts))


def mixture_of_images() -> Pair:
    logits, log_weights = numbers(4, 1, 2, 2), torch.tensor([0.1, 0.2, 0.3, 0.4]).log()
    parts = td.Independent(td.Bernoulli(logits=logits), 3)
    ours = Mixture(lambda u: BernoulliLogits(u, 3), logits, log_weights)
    theirs = td.MixtureSameFamily(td.Categorical(logits=log_weights), parts)
    return Pair(ours, theirs)


def mixture_of_full() -> Pair:
    tril = numbers(4, 2, 2).tril(-1) + torch.tensor([0.6, 1.3]).diag()
    loc, log_weights = numbers(4, 2), torch.tensor([0.1, 0.2, 0.3, 0.4]).log()
    ours = Mixture(lambda i: FullNormal(loc[i], tril[i]), torch.arange(4), log_weights)
    parts = td.MultivariateNormal(loc, scale_tril=tril)
    return Pair(ours, td.MixtureSameFamily(td.Categorical(logits=log_weights), parts))


def one_scale_for_all() -> Pair:
    loc, tril = numbers(3, 2), torch.tensor([[0.6, 0.0], [-0.9, 1.3]])
    return Pair(FullNormal(loc, tril), td.MultivariateNormal(loc, scale_tril=tril))


def low_rank_normal() -> Pair:
    loc, w, scale = numbers(3, 2), numbers(2, 1), torch.tensor([0.5])
    theirs = td.LowRankMultivariateNormal(loc, w, scale.square().expand(2))
    return Pair(LowRankNormal(loc, w, scale), theirs)


def low_rank_normal_of_unequal_noise() -> Pair:
    loc, w, scale = numbers(3, 4), numbers(4, 2), torch.tensor([0.5, 1.0, 0.2, 0.7])
    return Pair(LowRankNormal(loc, w, scale), td.LowRankMultivariateNormal(loc, w, scale.square()))


def shaped() -> Pair:
    loc, log_scale = numbers(3, 4), 0.5 * numbers(4)
    images = loc.view(3, 1, 2, 2), log_scale.exp().view(1, 2, 2)
    theirs = td.Independent(td.Normal(*images), 3)
    return Pair(Shaped(DiagNormal(loc, log_scale), (1, 2, 2)), theirs)


def wrapped() -> Pair:
    theirs = td.Independent(td.Gumbel(numbers(3, 2), torch.ones(3, 2)), 1)
    return Pair(Torch(theirs), theirs)


Maker = Callable[[], Pair]
DISCRETE: list[Maker] = [bernoulli, categorical, one_hot]
OF_THE_PLANE: list[Maker] = [diag_normal, standard_normal, full_normal, mixture, wrapped]
OF_THE_PLANE += [mixture_of_full, one_scale_for_all, low_rank_normal]
CONTINUOUS: list[Maker] = [*OF_THE_PLANE, diag_normal_of_images, standard_normal_of_images]
CONTINUOUS += [low_rank_normal_of_unequal_noise, shaped]
ALL: list[Maker] = [*CONTINUOUS, *DISCRETE, mixture_of_images]


def over(makers: list[Maker]) -> pytest.MarkDecorator:
    """Repeats a test for each of these pairs."""
    names = [make.__name__ for make in makers]
    return pytest.mark.parametrize("pair", makers, ids=names, indirect=True)
