"""Classes: relaxed draws, what is listed, labels, and what values are called."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.distributions as td
from torch import Tensor
from torch.testing import assert_close

from tests.theorems import Supplied, assert_mean
from vaebench.distributions import (
    Autoregressive,
    BernoulliLogits,
    CategoricalLevels,
    Delta,
    DiagNormal,
    Ensemble,
    LabelLogits,
    Mixture,
    Noise,
    OneHot,
    Torch,
)
from vaebench.distributions.base import LISTED
from vaebench.errors import Incompatible

TEMPERATURES = [0.1, 0.5, 2.0]
every_temperature = pytest.mark.parametrize("temperature", TEMPERATURES)


def classes(spread: float = 1.5) -> OneHot:
    return OneHot((spread * torch.randn(3, 2, 4)).requires_grad_())


def noise() -> Noise:
    return Noise(torch.Generator().manual_seed(1))


# ------------------------------------------------------------------------------- relaxed classes
@every_temperature
def test_a_relaxed_draw_is_largest_exactly_where_the_hard_draw_from_the_same_noise_is_one(
    temperature,
):
    dist = classes()
    soft, hard = dist.relaxed((5000,), noise(), temperature), dist.rsample((5000,), noise())
    assert torch.equal(dist.hardened(soft), hard)
    assert_close(soft.unflatten(-1, (2, 4)).sum(-1), torch.ones(5000, 3, 2))
    assert not hard.requires_grad


def test_a_draw_of_bits_is_their_relaxed_draw_hardened():
    dist = BernoulliLogits(torch.randn(3, 2))
    soft, hard = dist.relaxed((5000,), noise(), 0.5), dist.rsample((5000,), noise())
    assert torch.equal(dist.hardened(soft), hard)


@every_temperature
def test_it_is_largest_with_the_probability_of_its_class(temperature):
    dist = classes()
    hard = dist.hardened(dist.relaxed((40_000,), noise(), temperature))
    assert_mean(hard, dist.mean.detach())


def test_two_of_its_entries_have_the_ratio_of_a_concrete_variable():
    """τ (log z_a - log z_b) - (l_a - l_b) is a difference of Gumbels, which is logistic."""
    dist, temperature = classes(), 0.7
    z = dist.relaxed((40_000,), noise(), temperature).unflatten(-1, (2, 4))
    ratio = (z[..., 1:] / z[..., :1]).log() * temperature
    uniform = (ratio - (dist.logits[..., 1:] - dist.logits[..., :1])).sigmoid()
    for power in (1, 2, 3):
        assert_mean(uniform**power, 1 / (power + 1))


def test_as_it_cools_it_tends_to_the_hard_draw():
    dist = classes()
    hard = dist.rsample((1000,), noise())
    away = [(dist.relaxed((1000,), noise(), t) - hard).abs().mean() for t in (2.0, 0.5, 0.1, 1e-3)]
    assert all(cold < hot for hot, cold in pairwise(away))
    assert away[-1] < 1e-3


@every_temperature
def test_its_gradient_is_that_of_its_formula(temperature):
    """∂ z_c / ∂ l_e = z_c ([c = e] - z_e) / τ."""
    dist, weight = classes(), torch.randn(50, 3, 8)
    soft = dist.relaxed((50,), noise(), temperature)
    slope = torch.autograd.grad((weight * soft).sum(), dist.logits)[0]
    z, w = (t.detach().unflatten(-1, (2, 4)) for t in (soft, weight))
    assert_close(slope, (z * (w - (w * z).sum(-1, keepdim=True)) / temperature).sum(0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("u", [0.0, 1 - 2**-24])
def test_the_ends_of_the_noise_give_no_infinities(u, dtype):
    logits = torch.tensor([[0.0, 30.0, -30.0]], dtype=dtype, requires_grad=True)
    soft = OneHot(logits).relaxed((), Supplied(torch.full((1, 3), u, dtype=dtype)), 0.1)
    assert ((soft >= 0) & (soft <= 1)).all()
    assert torch.autograd.grad(soft[0], logits)[0].isfinite().all()


def test_log_prob_is_multilinear_in_relaxed_values():
    dist = classes()
    one, other = dist.values()[[1, 11]]
    mixed = dist.log_prob(0.3 * one + 0.7 * other)
    assert_close(mixed, 0.3 * dist.log_prob(one) + 0.7 * dist.log_prob(other))


def test_factors_are_the_variables_one_by_one():
    dist = classes()
    x, each = dist.sample((5,)), dist.factors()
    assert each.batch_shape == (3, 2)
    assert each.event_shape == (4,)
    assert_close(each.log_prob(x.unflatten(-1, (2, 4))).sum(-1), dist.log_prob(x))


# ------------------------------------------------------------------------------- what is listed
@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda n: BernoulliLogits(torch.zeros(n)), 10),
        (lambda n: OneHot(torch.zeros(n, 4)), 5),
        (lambda n: LabelLogits(torch.zeros(4, n), 1), 5),
    ],
    ids=["bits", "classes", "labels"],
)
def test_as_many_values_are_listed_as_the_limit_says_and_no_more(make, count):
    assert len(make(count).values()) == LISTED
    with pytest.raises(Incompatible, match=f"{count + 1} variables .* at most {LISTED} are listed"):
        make(count + 1).values()


def test_real_numbers_are_not_listed_or_hardened():
    dist = DiagNormal(torch.zeros(2), torch.zeros(2))
    with pytest.raises(Incompatible, match="DiagNormal has not finitely many values"):
        dist.values()
    with pytest.raises(Incompatible, match="DiagNormal has no continuous relaxation"):
        dist.hardened(torch.zeros(2))


# --------------------------------------------------------------------------------------- labels
def labels(*event: int) -> tuple[LabelLogits, td.Distribution]:
    logits = torch.randn(3, 5, *event)
    theirs = td.Independent(td.Categorical(logits=logits.movedim(1, -1)), len(event))
    return LabelLogits(logits, len(event)), theirs


@pytest.mark.parametrize("event", [(), (2,), (2, 1)], ids=str)
def test_labels_are_those_of_torch_as_whole_numbers(event):
    ours, theirs = labels(*event)
    y = ours.sample((7,))
    assert y.dtype is torch.int64
    assert y.shape == (7, 3, *event)
    assert (ours.batch_shape, ours.event_shape) == (theirs.batch_shape, theirs.event_shape)
    assert_close(ours.log_prob(y), theirs.log_prob(y))
    assert_close(ours.log_prob(y[0]), theirs.log_prob(y[0]))
    assert ours.width == 5 * ours.event_shape.numel()


@pytest.mark.parametrize("event", [(), (2,)], ids=str)
def test_labels_occur_as_often_as_their_probability_says(event):
    ours, _ = labels(*event)
    values = ours.values()
    assert len(values) == 5 ** ours.event_shape.numel()
    probability = ours.log_prob(values.unsqueeze(1)).exp()
    assert_close(probability.sum(0), torch.ones(3))
    drawn = ours.sample((40_000,), noise()).unsqueeze(1)
    hits = (drawn == values.unsqueeze(1)).view(40_000, len(values), 3, -1).all(-1)
    assert_mean(hits.double(), probability)


def test_what_stands_for_the_mean_of_a_label_is_the_most_probable():
    ours, theirs = labels(2)
    assert torch.equal(ours.mean, theirs.base_dist.probs.argmax(-1))
    assert_close(ours.probabilities.movedim(1, -1), theirs.base_dist.probs)


# ------------------------------------------------------------------------------- what values are
def bits(x: Tensor) -> BernoulliLogits:
    return BernoulliLogits(x)


def four(x: Tensor) -> OneHot:
    return OneHot(x.unflatten(-1, (-1, 4)))


KINDS = {
    "real numbers": [
        DiagNormal(torch.zeros(2), torch.zeros(2)),
        Delta(torch.zeros(2)),
        Torch(td.Normal(torch.zeros(2), 1.0)),
    ],
    "bits": [bits(torch.zeros(2)), Torch(td.Independent(td.Bernoulli(torch.zeros(2)), 1))],
    "classes (1 of 4)": [four(torch.zeros(8))],
    "grey levels": [CategoricalLevels(torch.zeros(3, 2))],
    "labels": [LabelLogits(torch.zeros(3))],
    "whole numbers": [Torch(td.Poisson(torch.ones(2)))],
}


@pytest.mark.parametrize(
    ("kind", "dist"), [(kind, dist) for kind, dists in KINDS.items() for dist in dists]
)
def test_a_distribution_says_what_its_values_are(kind, dist):
    assert dist.kind == kind
    assert dist.is_discrete == (kind != "real numbers")


@pytest.mark.parametrize("conditional", [bits, four, lambda x: DiagNormal(x, x)])
def test_what_is_made_of_others_has_their_values(conditional):
    own, inputs = conditional(torch.zeros(8)).kind, torch.zeros(3, 8)
    mixture = Mixture(conditional, inputs, torch.full((3,), 1 / 3).log())
    ensemble = Ensemble([conditional(x) for x in inputs])
    chain = Autoregressive(conditional, torch.arange(8), torch.zeros(()))
    assert [mixture.kind, ensemble.kind, chain.kind] == [own] * 3
