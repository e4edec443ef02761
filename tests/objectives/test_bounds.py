"""Bounds as functions of log weights: values, slopes, and what each sample enters."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from vaebench.objectives.bounds import Blend, LogMeanExp, Mean

K, B = 6, 4
BOUNDS = {
    "mean": Mean(),
    "log-mean-exp": LogMeanExp(),
    "two groups": LogMeanExp(2),
    "three groups": LogMeanExp(3),
    "blend": Blend(0.3, Mean(), LogMeanExp()),
    "blend of one alone": Blend(0.0, Mean(), LogMeanExp()),
    "blend of groups": Blend(0.3, Mean(), LogMeanExp(2)),
}
each = pytest.mark.parametrize("bound", BOUNDS.values(), ids=BOUNDS.keys())


def terms() -> Tensor:
    return 2 * torch.randn(K, B, requires_grad=True)


def groups_of(bound) -> list[range]:
    """Which samples are in a part of the bound together."""
    match bound:
        case Mean():
            return [range(i, i + 1) for i in range(K)]
        case LogMeanExp():
            size = K // bound.groups
            return [range(start, start + size) for start in range(0, K, size)]
    raise TypeError(bound)


def naive(bound, f: Tensor) -> list[Tensor]:
    """Its parts, which add up to it, `[B]` each, in the order of `groups_of`."""
    groups = groups_of(bound)
    return [f[list(g)].exp().mean(0).log() / len(groups) for g in groups]


def naive_share(bound, f: Tensor, i: int) -> Tensor:
    """The part of the bound that sample i enters, `[B]`."""
    if isinstance(bound, Blend):
        return sum(share * naive_share(part, f, i) for share, part in bound.parts)
    holds = (i in g for g in groups_of(bound))
    return next(p for p, held in zip(naive(bound, f), holds, strict=True) if held)


def naive_value(bound, f: Tensor) -> Tensor:
    if isinstance(bound, Blend):
        return sum(share * naive_value(part, f) for share, part in bound.parts)
    return sum(naive(bound, f))


def naive_share_without(bound, f: Tensor, i: int) -> Tensor:
    """That part with f_i replaced by the mean of the others in the same group; where a part is one
    sample's own, by the mean of all the others."""
    if isinstance(bound, Blend):
        return sum(share * naive_share_without(part, f, i) for share, part in bound.parts)
    group = range(K) if isinstance(bound, Mean) else next(g for g in groups_of(bound) if i in g)
    replaced = f.clone()
    replaced[i] = f[[j for j in group if j != i]].mean(0)
    return naive_share(bound, replaced, i)


@each
def test_the_value_is_its_formula(bound):
    f = terms()
    assert_close(bound.value(f), naive_value(bound, f))


@each
def test_weights_are_the_slopes_of_the_value_and_sum_to_one(bound):
    f = terms()
    slopes = torch.autograd.grad(bound.value(f).sum(), f)[0]
    assert_close(bound.weights(f.detach()), slopes)
    assert_close(bound.weights(f).sum(0), torch.ones(B))


@each
def test_shares_are_those_of_a_naive_loop(bound):
    f = terms().detach()
    assert_close(bound.share(f), torch.stack([naive_share(bound, f, i) for i in range(K)]))


@each
def test_shares_without_a_sample_are_those_of_a_naive_loop(bound):
    f = terms().detach()
    expected = torch.stack([naive_share_without(bound, f, i) for i in range(K)])
    assert_close(bound.share_without(f), expected)


@each
def test_a_share_without_a_sample_does_not_depend_on_it(bound):
    f = terms().detach()
    for i in range(K):
        other = f.clone()
        other[i] += 5.0
        assert_close(bound.share_without(other)[i], bound.share_without(f)[i])
        assert (bound.share(other)[i] - bound.share(f)[i]).abs().min() > 1e-6


@each
def test_what_is_left_of_the_value_without_a_share_does_not_depend_on_its_sample(bound):
    """So that the share alone is the score function's signal."""
    f = terms().detach()
    rest = bound.value(f) - bound.share(f)
    for i in range(K):
        other = f.clone()
        other[i] += 5.0
        assert_close((bound.value(other) - bound.share(other))[i], rest[i])


def test_the_path_of_a_group_is_weighed_by_its_own_weights_once_more():
    """Σ w̃² ∂f of each group, over M."""
    f = terms().detach()
    for m in (1, 2, 3):
        own = f.view(m, -1, B).softmax(1)
        expected = (own.square() / m).view(K, B)
        bound = LogMeanExp(m)
        assert_close(bound.weights(f) * bound.path_ratio(f), expected)


def test_the_path_of_a_mean_is_weighed_as_the_mean_is():
    assert_close(Mean().path_ratio(terms()), torch.ones(K, B))


@pytest.mark.parametrize("m", [1, 2])
def test_the_path_of_a_blend_is_weighed_by_the_blend_of_its_parts(m):
    f = terms().detach()
    tight = LogMeanExp(m)
    blend = Blend(0.3, Mean(), tight)
    expected = 0.3 * Mean().weights(f) + 0.7 * tight.weights(f) * tight.path_ratio(f)
    assert_close(blend.weights(f) * blend.path_ratio(f), expected)


def test_a_blend_at_its_ends_is_one_of_its_parts():
    f = terms().detach()
    for share, part in ((1.0, Mean()), (0.0, LogMeanExp())):
        blend = Blend(share, Mean(), LogMeanExp())
        for name in ("value", "weights", "path_ratio", "share", "share_without"):
            assert_close(getattr(blend, name)(f), getattr(part, name)(f))


FAR = {
    "one above": torch.tensor([1e3, 0.0, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64),
    "one below": torch.tensor([-1e3, 0.0, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64),
    "spread": torch.linspace(-1e3, 1e3, 6, dtype=torch.float64),
    "all low": torch.full((6,), -1e3, dtype=torch.float64),
}


@each
@pytest.mark.parametrize("f", FAR.values(), ids=FAR.keys())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_weights_a_thousand_nats_apart_stay_finite(bound, f, dtype):
    f = f.to(dtype).unsqueeze(1).expand(K, B)
    for name in ("value", "weights", "path_ratio", "share", "share_without"):
        assert getattr(bound, name)(f).isfinite().all(), name
    assert_close(bound.weights(f).sum(0), torch.ones(B, dtype=dtype))
    assert (bound.weights(f) * bound.path_ratio(f)).abs().max() <= 1 + 1e-6


def test_one_sample_far_above_is_the_bound_alone():
    f = FAR["one above"].unsqueeze(1)
    assert_close(LogMeanExp().value(f), torch.tensor([1e3 - math.log(6)]))
    assert_close(LogMeanExp().share_without(f)[0], torch.zeros(1))
    # Replaced by the mean of the others, any other leaves two of the size of 200 less than 1000.
    assert_close(LogMeanExp().share_without(f)[1], torch.tensor([1e3 - math.log(6)]))
