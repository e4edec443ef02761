"""Bounds whose value is known: probabilistic PCA, and a model that can be enumerated."""

import math

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import (
    STEP,
    PPCAModel,
    Supplied,
    assert_mean,
    elbo,
    golden_ppca,
    iwae,
    normal_quadrature,
)
from vaebench.distributions import BernoulliLogits, DiagNormal, kl_divergence
from vaebench.heads.posteriors import FullGaussian, Gaussian
from vaebench.inference import infer, log_mean_exp
from vaebench.models import RecognitionFirst

LOG_P, BOUND, GAP = -4.161859, -8.144730, 3.982871
PRINTED = {"rtol": 0, "atol": 5e-7}
ESTIMATORS = ["pathwise", "stl", "dreg"]


def terms(objective, model: PPCAModel, size: int = 1) -> dict[str, torch.Tensor]:
    return objective(model.vae, {"x": model.x.expand(size, -1)}, STEP).terms


def test_log_p_and_the_posterior_of_the_golden_case():
    model = golden_ppca()
    loc, covariance = model.exact_posterior()
    assert_close(model.log_prob(model.x), torch.tensor(LOG_P), **PRINTED)
    assert_close(loc @ model.x, torch.tensor([-0.181818]), **PRINTED)
    assert_close(covariance, torch.tensor([[0.090909]]), **PRINTED)


def test_the_bound_with_q_standard_normal_is_minus_8_144730():
    """Quadrature is exact for the quadratic log w."""
    model = golden_ppca()
    eps, weight = normal_quadrature(1, nodes=5)
    evidence = infer(model.vae, {"x": model.x.expand(5, 2)}, 1, noise=Supplied(eps))
    assert_close((weight * evidence.log_w[0]).sum(), torch.tensor(BOUND), **PRINTED)
    assert_close(model.closed_form_bound().detach(), torch.tensor(BOUND), **PRINTED)


@pytest.mark.parametrize("kl", ["analytic", "mc"])
@pytest.mark.parametrize("k", [1, 5])
def test_the_elbo_averages_to_the_golden_bound(kl, k):
    model = golden_ppca()
    assert_mean(terms(elbo(model.vae, model.spec, kl=kl, k=k), model, 20_000)["bound"], BOUND)


def test_the_gap_is_the_kl_of_q_from_the_posterior():
    model = golden_ppca()
    loc, covariance = model.exact_posterior()
    posterior = DiagNormal(loc @ model.x, covariance.diagonal().log() / 2)
    gap = kl_divergence(model.vae.posterior(model.batch["x"]), posterior).detach()
    assert_close(gap, torch.tensor([GAP]), **PRINTED)
    assert_close(gap + model.closed_form_bound().detach(), torch.tensor([LOG_P]), **PRINTED)


@pytest.mark.parametrize("head", [Gaussian, FullGaussian])
@pytest.mark.parametrize("k", [1, 2, 50])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_with_the_exact_posterior_every_bound_is_log_p_without_variance(head, k, estimator):
    model = golden_ppca(head)
    model.set_exact_posterior()
    bound = terms(iwae(model.vae, model.spec, k=k, estimator=estimator), model, 100)["bound"]
    assert_close(bound, torch.full((100,), LOG_P), **PRINTED)


def test_with_the_exact_full_posterior_log_w_is_constant_in_several_dimensions():
    w = torch.tensor([[1.0, 0.3], [-0.5, 0.8], [0.2, -0.6]])
    model = PPCAModel(w, 0.8, torch.tensor([0.9, -0.4, 0.6]), posterior=FullGaussian)
    model.set_exact_posterior()
    log_w = infer(model.vae, {"x": model.x.expand(10, 3)}, 10).log_w
    assert_close(log_w, model.log_prob(model.x).expand(10, 10))


def test_with_the_exact_posterior_the_sampled_elbo_has_no_variance():
    model = golden_ppca()
    model.set_exact_posterior()
    bound = terms(elbo(model.vae, model.spec, kl="mc"), model, 100)["bound"]
    assert_close(bound, torch.full((100,), LOG_P), **PRINTED)


# ------------------------------------------------------------------------------- nested samples
def test_bounds_grow_with_k_on_nested_samples_and_stay_below_log_p():
    """mean of L_k over the parts ≤ L_2k of the whole: for every draw, not on average alone."""
    model = golden_ppca()
    log_w = infer(model.vae, {"x": model.x.expand(2000, 2)}, 64).log_w.detach()
    bounds = torch.stack(
        [log_mean_exp(log_w.unflatten(0, (-1, k)), 1).mean(0) for k in (1, 2, 4, 8, 16, 32, 64)]
    )
    assert (bounds.diff(dim=0) > 0).all()
    assert_mean(bounds[0], BOUND)
    assert bounds[-1].mean() < LOG_P + 4.5 * bounds[-1].std() / math.sqrt(2000)
    assert bounds[-1].mean() > LOG_P - 0.1


# ---------------------------------------------------------------- p(h) = .3, p(x|h) = (.2, .9)
class Coin(RecognitionFirst):
    """One bit h, one bit x; q(h | x) = .5 whatever x."""

    def recognise(self, q, batch):
        q("h", BernoulliLogits(torch.zeros(len(batch["x"])), event_dims=0))

    def generate(self, p, batch):
        h = p("h", BernoulliLogits(torch.tensor(0.3).logit(), event_dims=0))
        p("x", BernoulliLogits(torch.where(h > 0.5, 0.9, 0.2).logit(), event_dims=0))


def coin_log_w() -> torch.Tensor:
    """log w of h = 0 and of h = 1, at x = 1."""
    evidence = infer(Coin(), {"x": torch.ones(2)}, 1, given={"h": torch.tensor([[0.0, 1.0]])})
    return (evidence.log_w - evidence.q["h"].log_prob)[0]


@pytest.mark.parametrize(
    ("k", "expected"), [(1, -0.944576), (2, -0.918087), (5, -0.901928), (50, -0.892606)]
)
def test_the_enumerated_bound_of_the_coin_is_the_golden_one(k, expected):
    """All k-samples with j ones have the same weight, and there are k over j of them."""
    log_w, j = coin_log_w(), torch.arange(k + 1)
    ones = torch.arange(k).unsqueeze(1) < j
    bounds = log_mean_exp(torch.where(ones, log_w[1], log_w[0]))
    probability = torch.tensor([math.comb(k, int(n)) / 2**k for n in j])
    assert_close((probability * bounds).sum(), torch.tensor(expected), **PRINTED)


def test_log_p_of_the_coin_is_its_enumerated_sum():
    assert_close(log_mean_exp(coin_log_w()), torch.tensor(0.41).log())
    assert_close(log_mean_exp(coin_log_w()), torch.tensor(-0.891598), **PRINTED)


@pytest.mark.parametrize(("k", "expected"), [(1, -0.944576), (5, -0.901928)])
def test_the_sampled_bound_of_the_coin_averages_to_the_golden_one(k, expected):
    batch = {"x": torch.ones(40_000)}
    assert_mean(log_mean_exp(infer(Coin(), batch, k).log_w), torch.tensor(expected), 5e-7)
