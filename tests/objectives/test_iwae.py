"""Gradient estimators of the importance-weighted bound: which are unbiased, and how noisy."""

import math
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.theorems import (
    STEP,
    BottomUp,
    PPCAModel,
    Supplied,
    assert_mean,
    assert_same_mean,
    flat_gradient,
    golden_ppca,
    gradient_samples,
    iwae,
    largest_z,
    normal_quadrature,
    wide_ppca,
    z_scores,
)
from vaebench.heads.posteriors import FullGaussian, Gaussian
from vaebench.heads.priors import GaussianMixture, Vamp
from vaebench.inference import infer, log_mean_exp
from vaebench.objectives.bounds import LogMeanExp
from vaebench.objectives.iwae import tempered

ALONG_THE_PATH = ["pathwise", "stl", "dreg"]


def sampled(model: PPCAModel, estimator: str, k: int, **options) -> Tensor:
    """Gradient estimates of a PPCA VAE at its example."""
    objective = iwae(model.vae, model.spec, k=k, estimator=estimator)
    return gradient_samples(objective, model.vae, model.x, **options)


# --------------------------------------------- exact expectations: one latent, k ≤ 2, quadrature
def off_posterior() -> PPCAModel:
    """The golden case with a q that is wrong in both location and scale."""
    model = golden_ppca()
    model.set_posterior(torch.tensor([[0.1, 0.3]]), torch.tensor([-0.5]))
    return model


def expected_bound(model: PPCAModel, k: int, estimator: str = "pathwise") -> Tensor:
    """E of an estimator's surrogate over all noise; its gradient is the estimator's mean."""
    eps, weight = normal_quadrature(k)
    batch = {"x": model.x.expand(len(weight), 2)}
    made = iwae(model.vae, model.spec, k=k, estimator=estimator).estimator
    found = made(model.vae, batch, k, tempered, LogMeanExp(), Supplied(eps))
    return (weight * found.surrogate).sum()


def finite_differences(model: PPCAModel, k: int, step: float = 1e-4) -> Tensor:
    """∂ L_k / ∂ parameters without any backward pass."""
    slopes = []
    with torch.no_grad():
        for parameter in model.vae.parameters():
            flat = parameter.view(-1)
            for i in range(len(flat)):
                centre, ends = flat[i].item(), []
                for value in (centre + step, centre - step):
                    flat[i] = value
                    ends.append(expected_bound(model, k))
                flat[i] = centre
                slopes.append((ends[0] - ends[1]) / (2 * step))
    return torch.stack(slopes)


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("estimator", ["pathwise", "dreg"])
def test_pathwise_and_dreg_have_the_exact_gradient_as_their_mean(estimator, k):
    model = off_posterior()
    gradient = flat_gradient(expected_bound(model, k, estimator), model.vae)
    assert_close(gradient, finite_differences(model, k), rtol=1e-5, atol=1e-5)


def test_stl_has_the_exact_gradient_as_its_mean_for_one_sample():
    model = off_posterior()
    gradient = flat_gradient(expected_bound(model, 1, "stl"), model.vae)
    assert_close(gradient, finite_differences(model, 1), rtol=1e-5, atol=1e-5)


def test_stl_has_another_mean_for_two_samples():
    model = off_posterior()
    gradient = flat_gradient(expected_bound(model, 2, "stl"), model.vae.posterior)
    exact = flat_gradient(expected_bound(model, 2), model.vae.posterior)
    assert (gradient - exact).abs().max() > 0.1 * exact.abs().max()


# -------------------------------------------------------------------- sampled, through the objective
@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("estimator", ["pathwise", "dreg"])
def test_sampled_pathwise_and_dreg_average_to_the_exact_gradient(estimator, k):
    model = off_posterior()
    exact = flat_gradient(-expected_bound(model, k), model.vae)
    assert_mean(sampled(model, estimator, k), exact)


def test_sampled_stl_averages_to_the_exact_gradient_for_one_sample():
    model = wide_ppca()
    exact = flat_gradient(-model.closed_form_bound(), model.vae)
    assert_mean(sampled(model, "stl", 1), exact)


def test_the_bias_of_sampled_stl_shows_at_two_samples():
    model = off_posterior()
    exact = flat_gradient(-expected_bound(model, 2), model.vae)
    assert z_scores(sampled(model, "stl", 2), exact).abs().max() > 3 * largest_z(len(exact))


@pytest.mark.parametrize("k", [1, 2, 5])
def test_dreg_averages_to_the_pathwise_gradient_in_several_dimensions(k):
    model = wide_ppca()
    reference = sampled(model, "pathwise", k, size=2000)
    assert_same_mean(sampled(model, "dreg", k, size=2000), reference)


@pytest.mark.parametrize("k", [2, 5])
def test_dreg_averages_to_the_pathwise_gradient_through_two_stochastic_layers(k):
    """A hook on the sampling path, instead of on a copy that is only scored, fails here."""
    model = BottomUp()
    dreg, pathwise = (
        gradient_samples(iwae(model, model.spec, k=k, estimator=e), model, model.x, size=1600)
        for e in ("dreg", "pathwise")
    )
    assert_same_mean(dreg, pathwise)


@pytest.mark.parametrize("prior", [GaussianMixture, Vamp])
def test_dreg_averages_to_the_pathwise_gradient_under_learned_priors(prior):
    """The prior's own parameters included; those of Vamp reach into the encoder."""
    model = wide_ppca(partial(prior, components=3))
    dreg, pathwise = (sampled(model, e, 3, size=1000) for e in ("dreg", "pathwise"))
    assert_same_mean(dreg, pathwise)
    own = list(model.vae.prior.parameters())
    assert own
    loss = iwae(model.vae, model.spec, estimator="dreg")(model.vae, model.batch, STEP).loss
    assert all((g != 0).any() for g in torch.autograd.grad(loss, own))


# ----------------------------------------------------------------------------- noise of gradients
@pytest.mark.parametrize("head", [Gaussian, FullGaussian])
@pytest.mark.parametrize("estimator", ["stl", "dreg"])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_the_encoder_gradient_is_zero_at_the_exact_posterior(head, estimator, k):
    """Of STL and of DReG: log w is constant in z there."""
    model = golden_ppca(head)
    model.set_exact_posterior()
    objective = iwae(model.vae, model.spec, k=k, estimator=estimator)
    loss = objective(model.vae, {"x": model.x.expand(50, 2)}, STEP).loss
    gradient = flat_gradient(loss, model.vae.posterior)
    assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-12)
    assert flat_gradient(loss, model.vae.likelihood).abs().max() > 0.01


def test_the_pathwise_encoder_gradient_is_not_zero_at_the_exact_posterior_but_its_mean_is():
    model = golden_ppca()
    model.set_exact_posterior()
    gradients = sampled(model, "pathwise", 5, of=model.vae.posterior)
    assert gradients.std(0).max() > 0.01
    assert_mean(gradients, 0.0)


@pytest.mark.parametrize("k", [2, 5, 20])
def test_dreg_gradients_of_the_encoder_vary_less_than_pathwise_ones(k):
    """Judged by the standard error of a log variance ratio, summed over parameters."""
    model, groups = wide_ppca(), 300
    pathwise, dreg = (
        sampled(model, e, k, of=model.vae.posterior, groups=groups, size=20).var(0).sum()
        for e in ("pathwise", "dreg")
    )
    z = (dreg / pathwise).log() / math.sqrt(4 / groups)
    assert z < -4.5


def test_the_encoder_signal_of_pathwise_fades_with_k_and_that_of_dreg_grows():
    """Signal over noise falls like 1/√k, or rises like √k (Rainforth et al. 2018, Tucker et al.
    2019), where q is wider than the posterior, so that weights have a variance."""
    model = golden_ppca()

    def signal(estimator: str, k: int) -> Tensor:
        samples = sampled(model, estimator, k, of=model.vae.posterior, groups=100, size=20)
        return (samples.mean(0).abs() / samples.std(0)).mean()

    assert signal("pathwise", 64) < 0.6 * signal("pathwise", 4)
    assert signal("dreg", 64) > 2 * signal("dreg", 4)


# ---------------------------------------------------------------------- identities, draw by draw
@pytest.mark.parametrize("k", [1, 2, 5])
def test_the_gradient_is_the_softmax_weighted_one(k):
    """∂ log 1/k Σ w_i = Σ w̃_i ∂ log w_i."""
    model = wide_ppca()
    log_w = infer(model.vae, model.batch, k).log_w.squeeze(1)
    each = torch.stack([flat_gradient(log_w[i], model.vae) for i in range(k)])
    whole = flat_gradient(log_mean_exp(log_w), model.vae)
    assert_close(whole, log_w.softmax(0).detach() @ each)


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("make", [lambda: wide_ppca().vae, BottomUp], ids=["one", "two layers"])
def test_every_estimator_has_the_same_bound_and_decoder_gradient_for_the_same_noise(make, k):
    model = make()
    losses, gradients = [], []
    for estimator in ALONG_THE_PATH:
        torch.manual_seed(5)
        objective = iwae(model, BottomUp.spec, k=k, estimator=estimator)
        estimate = objective(model, {"x": torch.tensor([0.5, -1.0, 0.3]).expand(4, 3)}, STEP)
        losses.append(estimate.loss)
        decoder = [p for n, p in model.named_parameters() if not is_encoder(n)]
        gradients.append(torch.autograd.grad(estimate.loss, decoder))
        assert_close(estimate.loss, -estimate.terms["bound"].mean())
    for loss, gradient in zip(losses[1:], gradients[1:], strict=True):
        assert_close(loss, losses[0])
        assert_close(gradient, gradients[0])


def is_encoder(name: str) -> bool:
    return name.startswith(("posterior", "q1", "q2"))


@pytest.mark.parametrize("estimator", ALONG_THE_PATH)
def test_terms_are_the_honest_bound_and_its_parts(estimator):
    model = wide_ppca()
    batch = {"x": model.x.expand(4, 3)}
    objective = iwae(model.vae, model.spec, k=3, estimator=estimator)
    torch.manual_seed(1)
    terms = objective(model.vae, batch, STEP).terms
    torch.manual_seed(1)
    evidence = infer(model.vae, batch, 3)
    assert_close(terms["bound"], log_mean_exp(evidence.log_w).detach())
    assert_close(terms["recon"], evidence.recon.mean(0).detach())
    assert_close(terms["recon"] - terms["kl"], evidence.log_w.mean(0).detach())
    assert not any(t.requires_grad for t in terms.values())


@pytest.mark.parametrize("estimator", ALONG_THE_PATH)
def test_an_objective_leaves_no_gradient_and_no_state_behind(estimator):
    model = wide_ppca()
    before = {name: value.clone() for name, value in model.vae.state_dict().items()}
    objective = iwae(model.vae, model.spec, estimator=estimator)
    for _ in range(2):
        objective(model.vae, model.batch, STEP)
    assert all(p.grad is None and p.requires_grad for p in model.vae.parameters())
    assert all(torch.equal(v, before[n]) for n, v in model.vae.state_dict().items())


@pytest.mark.parametrize("beta", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("options", [{}, {"M": 2}, {"elbo_share": 0.3}], ids=str)
def test_dreg_is_unbiased_for_tempered_weights_too(beta, options):
    model = off_posterior()
    both = []
    for estimator in ("pathwise", "dreg"):
        objective = iwae(model.vae, model.spec, k=3, estimator=estimator, beta=beta, **options)
        both.append(gradient_samples(objective, model.vae, model.x))
    assert_same_mean(*both)
