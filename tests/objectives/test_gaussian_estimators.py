"""Estimators of one mean on continuous latents: whatever the way, the same expected gradient."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.theorems import (
    STEP,
    BottomUp,
    assert_mean,
    assert_same_mean,
    elbo,
    flat_gradient,
    golden_ppca,
    gradient_samples,
    iwae,
    largest_z,
    refused,
    scattered,
    wide_ppca,
    z_scores,
)
from vaebench.data import Field, Spec
from vaebench.distributions import Noise
from vaebench.heads.likelihoods import Gaussian as GaussianLikelihood
from vaebench.heads.posteriors import FullGaussian, Gaussian
from vaebench.heads.priors import Normal
from vaebench.inference import Replay, infer, log_mean_exp
from vaebench.models import Hierarchical
from vaebench.nets import MLP
from vaebench.objectives import baselines
from vaebench.objectives.estimators import pathwise

X = torch.tensor([0.5, -1.0, 0.3], dtype=torch.float64)
running = partial(baselines.Running, decay=0.95)


def two_layers() -> Hierarchical:
    """x → z1 → z2 with nets that bend, its q wider than the posterior; the same at every seed."""

    def nets(width: int) -> MLP:
        return MLP(hidden=[width], activation="tanh", init="glorot", output_bias="zero")

    spec = Spec({"x": Field((3,))}, size=100)
    likelihood = partial(GaussianLikelihood, variance="fixed", scale=1.0)
    model = Hierarchical(
        spec,
        layers=[2, 2],
        nets=nets(3),
        links=nets(3),
        posterior=Gaussian,
        prior=Normal,
        likelihood=likelihood,
    )
    return scattered(model, spread=0.6)


ONE = {"one layer": lambda: wide_ppca().vae, "full": lambda: wide_ppca(posterior=FullGaussian).vae}
MODELS = {**ONE, "by hand": BottomUp, "two layers": two_layers}


def over(choices):
    return pytest.mark.parametrize("make", choices.values(), ids=choices.keys())


def sampled(objective, model, **options) -> Tensor:
    return gradient_samples(objective, model, X, **options)


# ------------------------------------------------------------------------------- the ELBO
@pytest.mark.parametrize("kl", ["analytic", "mc"])
@pytest.mark.parametrize("estimator", ["score", "nvil", "pathwise"])
def test_on_a_gaussian_posterior_every_estimator_has_the_closed_form_gradient(estimator, kl):
    model = wide_ppca()
    objective = elbo(model.vae, model.spec, estimator=estimator, kl=kl)
    samples = gradient_samples(objective, model.vae, model.x)
    assert_mean(samples, -flat_gradient(model.closed_form_bound(), model.vae))


def test_sticking_the_landing_of_the_elbo_is_unbiased():
    model = wide_ppca()
    samples = gradient_samples(elbo(model.vae, model.spec, estimator="stl"), model.vae, model.x)
    assert_mean(samples, -flat_gradient(model.closed_form_bound(), model.vae))


def test_with_bits_that_cost_nothing_it_stays_so():
    model = wide_ppca()
    objective = elbo(model.vae, model.spec, estimator="stl", free_bits=1e-12, free_bits_per="site")
    samples = gradient_samples(objective, model.vae, model.x)
    assert_mean(samples, -flat_gradient(model.closed_form_bound(), model.vae))


def test_free_bits_of_each_dimension_are_refused_since_their_closed_form_has_no_score():
    model = wide_ppca()
    with refused(match="no score", options=("objective.free_bits_per=site",)):
        elbo(model.vae, model.spec, estimator="stl", free_bits=0.1)


def test_at_the_exact_posterior_it_has_no_variance():
    model = golden_ppca()
    model.set_exact_posterior()
    objective = elbo(model.vae, model.spec, estimator="stl", kl="mc")
    samples = gradient_samples(
        objective, model.vae, model.x, of=model.vae.posterior, groups=20, size=300
    )
    assert_close(samples, torch.zeros_like(samples), rtol=0, atol=1e-12)


@over({"by hand": BottomUp, "two layers": two_layers})
@pytest.mark.parametrize("estimator", ["stl", "score", "nvil"])
def test_every_estimator_of_the_elbo_of_two_layers_has_the_pathwise_mean(make, estimator):
    model = make()
    found, plain = (elbo(model, BottomUp.spec, estimator=e) for e in (estimator, "pathwise"))
    assert_same_mean(sampled(found, model), sampled(plain, model))


def test_the_path_varies_less_than_the_score():
    model = wide_ppca()
    path, score = (
        gradient_samples(
            elbo(model.vae, model.spec, estimator=e), model.vae, model.x, groups=100, size=50
        )
        for e in ("pathwise", "score")
    )
    assert path.var(0).sum() < 0.5 * score.var(0).sum()


# --------------------------------------------------------------------- importance-weighted bounds
@over(MODELS)
@pytest.mark.parametrize("estimator", ["dreg", "one_of_k", "score", "vimco"])
def test_every_estimator_of_the_importance_weighted_bound_has_the_pathwise_mean(make, estimator):
    model = make()
    found, plain = (iwae(model, BottomUp.spec, k=4, estimator=e) for e in (estimator, "pathwise"))
    assert_same_mean(sampled(found, model), sampled(plain, model))


@over({"by hand": BottomUp, "two layers": two_layers})
def test_sticking_the_landing_shows_its_bias_in_two_layers(make):
    """So that what the unbiased ones pass can be failed."""
    model = make()
    found, plain = (
        sampled(iwae(model, BottomUp.spec, k=4, estimator=e), model) for e in ("stl", "pathwise")
    )
    error = plain.std(0) / len(plain) ** 0.5
    z = z_scores(found, plain.mean(0), error)
    assert z.abs().max() > 3 * largest_z(len(error))


@over(MODELS)
@pytest.mark.parametrize("options", [{"M": 3}, {"elbo_share": 0.6}], ids=str)
def test_doubly_reparameterised_relatives_have_the_pathwise_mean(make, options):
    model = make()
    found, plain = (
        iwae(model, BottomUp.spec, k=2, estimator=e, **options) for e in ("dreg", "pathwise")
    )
    assert_same_mean(sampled(found, model), sampled(plain, model))


# ------------------------------------------------------------------------------------ one of k
def gradient_of(model, estimator: str, k: int, **options) -> Tensor:
    torch.manual_seed(5)
    objective = iwae(model, BottomUp.spec, k=k, estimator=estimator, **options)
    torch.manual_seed(5)
    return flat_gradient(objective(model, {"x": X.expand(4, 3)}, STEP).loss, model)


@over(MODELS)
def test_one_of_one_is_the_pathwise_gradient_of_the_same_noise(make):
    model = make()
    assert_close(gradient_of(model, "one_of_k", 1), gradient_of(model, "pathwise", 1))


@over(MODELS)
def test_one_of_k_is_the_gradient_of_one_sample_of_the_same_noise(make):
    """Which one was drawn is read off what was replayed."""
    model, chosen = make(), []

    class Told(Replay):
        def only(self, number):
            chosen.append(number)
            return super().only(number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pathwise, "Replay", Told)
        found = gradient_of(model, "one_of_k", 5)
    torch.manual_seed(5)
    log_w = infer(model, {"x": X.expand(4, 3)}, 5).log_w
    one = log_w.gather(0, chosen[0].unsqueeze(0))
    assert_close(found, -flat_gradient(one.mean(), model))


def test_the_one_is_drawn_by_its_weight():
    weights = torch.tensor([[0.1, 0.0], [0.6, 0.5], [0.3, 0.5]])
    drawn = pathwise._drawn(weights.repeat(1, 20_000), Noise()).view(-1, 2)
    hits = torch.nn.functional.one_hot(drawn, 3).double()
    assert_mean(hits, weights.T)


def test_one_of_k_reports_the_bound_of_all_k():
    model = wide_ppca()
    objective = iwae(model.vae, model.spec, k=5, estimator="one_of_k")
    batch = {"x": model.x.expand(4, 3)}
    torch.manual_seed(1)
    estimate = objective(model.vae, batch, STEP)
    torch.manual_seed(1)
    bound = log_mean_exp(infer(model.vae, batch, 5).log_w)
    assert_close(estimate.terms["bound"], bound.detach())
    assert_close(estimate.loss, -bound.mean())
