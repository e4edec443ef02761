"""Relaxed bits lie on their hard draw's side, tend to it as they cool, and carry its gradient."""

from itertools import pairwise

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import Supplied, assert_mean
from vaebench.distributions import BernoulliLogits, DiagNormal, Noise
from vaebench.errors import Incompatible

TEMPERATURES = [0.1, 0.5, 2.0]
every_temperature = pytest.mark.parametrize("temperature", TEMPERATURES)


def bits(spread: float = 2.0) -> BernoulliLogits:
    return BernoulliLogits((spread * torch.randn(3, 2)).requires_grad_())


def noise() -> Noise:
    return Noise(torch.Generator().manual_seed(1))


@every_temperature
def test_a_relaxed_draw_is_above_a_half_exactly_where_the_hard_draw_from_the_same_noise_is_one(
    temperature,
):
    dist = bits()
    soft, hard = dist.relaxed((5000,), noise(), temperature), dist.rsample((5000,), noise())
    assert torch.equal((soft > 0.5).to(hard), hard)
    assert torch.equal(soft.round(), hard)
    assert 0.2 < hard.mean() < 0.8


@every_temperature
def test_it_is_one_with_the_probability_of_its_bit(temperature):
    dist = bits()
    assert_mean(dist.relaxed((40_000,), noise(), temperature).round(), dist.mean.detach())


@pytest.mark.parametrize("temperature", TEMPERATURES[1:])
def test_it_has_the_density_of_a_binary_concrete(temperature):
    """logit(z) τ - l is logistic: cdf(t) = sigmoid(t). (A colder one rounds to its ends.)"""
    dist = bits()
    standard = dist.relaxed((40_000,), noise(), temperature).logit() * temperature - dist.logits
    uniform = standard.sigmoid()
    for power in (1, 2, 3):
        assert_mean(uniform**power, 1 / (power + 1))


def test_as_it_cools_it_tends_to_the_hard_draw():
    dist = bits()
    hard = dist.rsample((1000,), noise())
    away = [(dist.relaxed((1000,), noise(), t) - hard).abs().mean() for t in (2.0, 0.5, 0.1, 1e-3)]
    assert all(cold < hot for hot, cold in pairwise(away))
    assert away[-1] < 1e-3


@every_temperature
def test_its_gradient_is_that_of_its_formula(temperature):
    """∂ sigmoid((l - logit u) / τ) / ∂l = z (1 - z) / τ."""
    dist = bits()
    soft = dist.relaxed((50,), noise(), temperature)
    slope = torch.autograd.grad(soft.sum(), dist.logits)[0]
    assert_close(slope, (soft * (1 - soft) / temperature).sum(0).detach())
    assert not dist.rsample((50,), noise()).requires_grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("u", [0.0, 1 - 2**-24])
def test_the_ends_of_the_noise_give_no_infinities(u, dtype):
    logits = torch.tensor([0.0, 30.0, -30.0], dtype=dtype, requires_grad=True)
    soft = BernoulliLogits(logits).relaxed((), Supplied(torch.full((3,), u, dtype=dtype)), 0.1)
    assert ((soft >= 0) & (soft <= 1)).all()
    assert torch.autograd.grad(soft.sum(), logits)[0].isfinite().all()


def test_a_density_of_real_numbers_has_no_relaxation():
    with pytest.raises(Incompatible, match="DiagNormal has no continuous relaxation"):
        DiagNormal(torch.zeros(2), torch.zeros(2)).relaxed((3,), Noise(), 0.5)


def test_factors_are_the_coordinates_one_by_one():
    dist = BernoulliLogits(torch.randn(3, 2, 4), event_dims=2)
    x = dist.sample((5,))
    each = dist.factors()
    assert each.batch_shape == (3, 2, 4)
    assert each.event_shape == ()
    assert_close(each.log_prob(x).sum((-1, -2)), dist.log_prob(x))
