"""The evidence lower bound, its closed-form and sampled KL, and β."""

from functools import partial

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import (
    STEP,
    BottomUp,
    assert_mean,
    assert_same_mean,
    elbo,
    flat_gradient,
    gradient_samples,
    iwae,
    refused,
    wide_ppca,
)
from vaebench.errors import Incompatible
from vaebench.heads.priors import GaussianMixture, Vamp

MIXTURES = [partial(GaussianMixture, components=3), partial(Vamp, components=3)]


def estimate(model, size: int = 20, **options):
    """One call from the same seed."""
    torch.manual_seed(2)
    objective = elbo(model.vae, model.spec, **options)
    torch.manual_seed(1)
    return objective(model.vae, {"x": model.x.expand(size, 3)}, STEP)


@pytest.mark.parametrize("kl", ["analytic", "mc"])
@pytest.mark.parametrize("k", [1, 3])
def test_the_bound_averages_to_its_closed_form(kl, k):
    model = wide_ppca()
    bound = estimate(model, 20_000, kl=kl, k=k).terms["bound"]
    assert_mean(bound, model.closed_form_bound().detach())


@pytest.mark.parametrize("kl", ["analytic", "mc"])
@pytest.mark.parametrize("k", [1, 3])
def test_the_gradient_averages_to_that_of_the_closed_form(kl, k):
    model = wide_ppca()
    exact = flat_gradient(-model.closed_form_bound(), model.vae)
    objective = elbo(model.vae, model.spec, kl=kl, k=k)
    assert_mean(gradient_samples(objective, model.vae, model.x), exact)


@pytest.mark.parametrize("beta", [0.0, 0.5, 4.0])
@pytest.mark.parametrize("kl", ["analytic", "mc"])
def test_the_gradient_with_beta_averages_to_that_of_the_weighted_closed_form(kl, beta):
    model = wide_ppca()
    q = model.vae.posterior(model.batch["x"])
    exact_kl = 0.5 * ((2 * q.log_scale).exp() + q.loc.square() - 1 - 2 * q.log_scale).sum()
    exact = flat_gradient(-model.closed_form_bound() + (beta - 1) * exact_kl, model.vae)
    objective = elbo(model.vae, model.spec, kl=kl, beta=beta)
    assert_mean(gradient_samples(objective, model.vae, model.x), exact)


@pytest.mark.parametrize("kl", ["analytic", "mc"])
def test_beta_one_is_minus_the_elbo_and_beta_zero_the_reconstruction_alone(kl):
    model = wide_ppca()
    one, zero = (estimate(model, kl=kl, beta=beta) for beta in (1.0, 0.0))
    assert_close(one.loss, -one.terms["bound"].mean())
    assert_close(zero.loss, -zero.terms["recon"].mean())


@pytest.mark.parametrize("kl", ["analytic", "mc"])
def test_the_reported_terms_do_not_depend_on_beta(kl):
    model = wide_ppca()
    one, four = (estimate(model, kl=kl, beta=beta) for beta in (1.0, 4.0))
    for name in ("bound", "recon", "kl"):
        assert_close(four.terms[name], one.terms[name])
    assert_close(four.loss, one.loss + 3 * one.terms["kl"].mean())


@pytest.mark.parametrize("kl", ["analytic", "mc"])
def test_terms_are_per_example_add_up_and_carry_no_gradient(kl):
    terms = estimate(wide_ppca(), size=7, kl=kl, k=3).terms
    assert_close(terms["bound"], terms["recon"] - terms["kl"])
    assert all(t.shape == (7,) and not t.requires_grad for t in terms.values())


def test_the_closed_form_kl_has_no_variance():
    kl = estimate(wide_ppca(), kl="analytic").terms["kl"]
    assert_close(kl, kl[0].expand(20))
    assert estimate(wide_ppca(), kl="mc").terms["kl"].std() > 0.01


@pytest.mark.parametrize("prior", MIXTURES)
def test_the_sampled_elbo_is_the_importance_bound_of_one_sample(prior):
    model = wide_ppca(prior)
    batch = {"x": model.x.expand(20, 3)}
    losses = []
    for objective in (elbo(model.vae, model.spec, kl="mc"), iwae(model.vae, model.spec, k=1)):
        torch.manual_seed(1)
        losses.append(objective(model.vae, batch, STEP).loss)
    assert_close(*losses)
    assert_close(*(flat_gradient(loss, model.vae) for loss in losses))


def test_auto_takes_the_closed_form_where_there_is_one_and_says_so_where_not():
    plain, mixed = wide_ppca(), wide_ppca(MIXTURES[0])
    assert elbo(plain.vae, plain.spec).divergence.analytic
    assert elbo(plain.vae, plain.spec).notes == []
    assert not elbo(mixed.vae, mixed.spec).divergence.analytic
    assert "no closed form" in elbo(mixed.vae, mixed.spec).notes[0]
    assert not elbo(plain.vae, plain.spec, kl="mc").divergence.analytic


@pytest.mark.parametrize("prior", MIXTURES)
def test_a_closed_form_that_does_not_exist_is_refused_with_a_way_out(prior):
    model = wide_ppca(prior)
    with refused(match="no closed form", options=("objective.kl=mc",)):
        elbo(model.vae, model.spec, kl="analytic")


def test_a_closed_form_over_latents_in_unlike_orders_is_refused():
    with refused(match="order", options=("objective.kl=mc",)):
        elbo(BottomUp(), BottomUp.spec, kl="analytic")


def test_the_elbo_of_two_layers_is_below_log_p_and_equals_the_bound_of_one_sample():
    model = BottomUp()
    batch = {"x": model.x.expand(5000, 3)}
    bound = elbo(model, model.spec)(model, batch, STEP).terms["bound"]
    assert_same_mean(bound, iwae(model, model.spec, k=1)(model, batch, STEP).terms["bound"])
    assert bound.mean() < model.log_prob(model.x)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"k": 0}, "k=0"),
        ({"k": -1}, "k=-1"),
        ({"beta": -0.1}, "beta=-0.1"),
    ],
)
def test_an_option_that_cannot_be_is_refused_by_name(options, named):
    model = wide_ppca()
    with pytest.raises(Incompatible, match=named):
        elbo(model.vae, model.spec, **options)
