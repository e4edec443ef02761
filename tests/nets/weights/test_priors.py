"""What q(w) pays for its distance from a prior: closed forms, draws, and approximations measured."""

import math

import pytest
import torch
from torch.distributions import Normal as TorchNormal
from torch.distributions import kl_divergence
from torch.testing import assert_close

from tests.theorems import assert_mean
from vaebench.distributions import Noise
from vaebench.errors import Incompatible
from vaebench.nets.weights.priors import (
    CONSTANT,
    LogUniform,
    Normal,
    ScaleMixture,
    cubic_kl,
    sigmoid_kl,
)

MEAN, LOG_SD = torch.linspace(-1, 1, 5), torch.linspace(-2, 0.5, 5)


def q():
    return TorchNormal(MEAN.double(), LOG_SD.double().exp())


def of(q):
    """Mean, log of the deviation, and variance."""
    return q.mean, q.stddev.log(), q.variance


def test_the_price_under_a_normal_is_the_divergence():
    found = Normal(sd=0.7).divergence(*of(q()), None)
    assert_close(found, kl_divergence(q(), TorchNormal(0.0, 0.7)).sum())


def test_the_price_under_a_normal_is_the_mean_of_draws():
    w = q().sample((20_000,))
    estimates = (q().log_prob(w) - TorchNormal(0.0, 0.7).log_prob(w)).sum(1)
    assert_mean(estimates, Normal(sd=0.7).divergence(*of(q()), None).item())


def mixture_draws(prior, count=20_000):
    source = Noise()
    return torch.stack([prior.divergence(*of(q()), source) for _ in range(count)])


def test_draws_of_the_price_under_a_mixture_of_equals_have_the_mean_of_the_closed_form():
    prior = ScaleMixture(share=0.3, sd_wide=0.7, sd_narrow=0.7 * (1 - 1e-12))
    closed = Normal(sd=0.7).divergence(*of(q()), None)
    assert_mean(mixture_draws(prior, 5000), closed.item())


def test_draws_of_the_price_under_a_mixture_have_its_mean_by_quadrature():
    prior = ScaleMixture(share=0.3, sd_wide=1.0, sd_narrow=0.1)
    w = torch.linspace(-12, 12, 400_001).unsqueeze(1)
    parts = torch.stack([TorchNormal(0.0, 1.0).log_prob(w), TorchNormal(0.0, 0.1).log_prob(w)])
    log_p = (parts + torch.tensor([0.3, 0.7]).log().view(2, 1, 1)).logsumexp(0)
    assert_close(prior.log_prob(w), log_p)
    log_q = q().log_prob(w)
    exact = torch.trapezoid(log_q.exp() * (log_q - log_p), w, dim=0).sum()
    assert_mean(mixture_draws(prior, 5000), exact.item())


def exact_kl(log_alpha):
    """E log|ε| - ½ log α - C, ε ~ N(1, α), by quadrature over t = log|ε|."""
    sd = math.exp(0.5 * log_alpha)
    t = torch.linspace(-60, 15, 1_000_001)
    density = sum((-0.5 * ((t.exp() - sign) / sd) ** 2).exp() for sign in (1, -1))
    density = density * t.exp() / (sd * math.sqrt(2 * math.pi))
    assert_close(torch.trapezoid(density, t), torch.tensor(1.0), rtol=1e-6, atol=0)
    return torch.trapezoid(density * t, t).item() - 0.5 * log_alpha - CONSTANT


@pytest.mark.parametrize(
    ("approximation", "largest", "lowest", "highest"),
    [(sigmoid_kl, 0.0095, -10, 10), (cubic_kl, 0.0405, -10, 0)],
)
def test_approximations_are_as_far_from_the_divergence_as_they_say(
    approximation, largest, lowest, highest
):
    at = torch.linspace(lowest, highest, 41)
    errors = torch.tensor([approximation(a).item() - exact_kl(a.item()) for a in at]).abs()
    assert 0.9 * largest < errors.max() < largest


def test_the_divergence_vanishes_for_noise_without_end():
    assert abs(exact_kl(14.0)) < 1e-3
    assert abs(sigmoid_kl(torch.tensor(14.0))) < 1e-3


def test_the_log_uniform_price_depends_on_the_share_of_noise_alone():
    mean, log_sd = torch.tensor([0.5, 2.0]), torch.tensor([0.25, 1.0]).log()
    found = LogUniform().divergence(*of(TorchNormal(mean, log_sd.exp())), None)
    assert_close(found, 2 * sigmoid_kl(torch.tensor(0.25).log()), rtol=1e-6, atol=1e-6)
    draws = TorchNormal(mean, log_sd.exp()).sample((50_000,))
    # KL up to the constant that makes it vanish as α → ∞: E[log q(w) + log |w|] + ½ log 2πe - C
    own = (draws.abs().log() - log_sd).sum(1) - 2 * CONSTANT
    assert_mean(own, found.item(), expected_se=0.009)


@pytest.mark.parametrize(
    ("made", "match"),
    [
        (lambda: Normal(sd=0.0), r"weight_prior\.sd=1\.0"),
        (lambda: ScaleMixture(share=1.0, sd_wide=1.0, sd_narrow=0.1), r"weight_prior\.share=0\.5"),
        (lambda: ScaleMixture(share=0.5, sd_wide=0.1, sd_narrow=0.2), r"weight_prior\.sd_narrow"),
    ],
)
def test_a_prior_without_a_width_is_refused(made, match):
    with pytest.raises(Incompatible, match=match):
        made()
