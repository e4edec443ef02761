"""Free bits: what is below λ costs λ, and pulls at nothing."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import STEP, elbo, flat_gradient, refused, wide_ppca
from vaebench.errors import Incompatible
from vaebench.heads.posteriors import FullGaussian

PER = ["dimension", "site"]


def batch_of(model):
    """Examples that differ, so that means over the batch are no single values."""
    return {"x": model.x + 0.3 * torch.randn(6, 3, generator=torch.Generator().manual_seed(3))}


def loss(model, **options):
    objective = elbo(model.vae, model.spec, **options)
    torch.manual_seed(1)
    return objective(model.vae, batch_of(model), STEP)


def kl_of_dimensions(model):
    """½ (σ_d² + μ_d² - 1 - 2 log σ_d) averaged over the batch, by hand."""
    q = model.vae.posterior(batch_of(model)["x"])
    kl = 0.5 * ((2 * q.log_scale).exp() + q.loc.square() - 1 - 2 * q.log_scale)
    return kl.mean(0)


@pytest.mark.parametrize("per", PER)
def test_no_free_bits_are_the_plain_bound(per):
    model = wide_ppca()
    plain, free = loss(model), loss(model, free_bits=1e-12, free_bits_per=per)
    assert_close(free.loss, plain.loss)
    assert_close(flat_gradient(free.loss, model.vae), flat_gradient(plain.loss, model.vae))


def test_the_loss_is_its_formula_between_the_kls_of_two_dimensions():
    model = wide_ppca()
    kl = kl_of_dimensions(model)
    free_bits = kl.mean().item()
    assert (kl < free_bits).any()
    assert (kl > free_bits).any()
    found, plain = loss(model, free_bits=free_bits), loss(model)
    assert_close(found.loss, plain.loss - kl.sum() + kl.clamp(min=free_bits).sum())
    # Only what is above λ is pulled down.
    exact = flat_gradient(plain.loss - kl[kl < free_bits].sum(), model.vae)
    assert_close(flat_gradient(found.loss, model.vae), exact)


@pytest.mark.parametrize("per", PER)
@pytest.mark.parametrize("free_bits", [1e-12, 100.0])
def test_beta_weighs_what_is_free_too(per, free_bits):
    """The loss grows along a line in β, by what is charged."""
    model = wide_ppca()
    none, one, two = (
        loss(model, free_bits=free_bits, free_bits_per=per, beta=beta).loss
        for beta in (0.0, 1.0, 2.0)
    )
    assert_close(two - none, 2 * (one - none))
    assert one - none > 0.1


@pytest.mark.parametrize("kl", ["analytic", "mc"])
def test_one_site_counts_as_a_whole(kl):
    model = wide_ppca()
    plain = loss(model, kl=kl)
    total = plain.terms["kl"].mean()
    for free_bits in (0.5 * float(total), 2 * float(total)):
        found = loss(model, kl=kl, free_bits=free_bits, free_bits_per="site")
        assert_close(found.loss, plain.loss - total + total.clamp(min=free_bits))


@pytest.mark.parametrize("per", PER)
def test_below_lambda_nothing_but_reconstruction_is_left(per):
    model = wide_ppca()
    found, plain = loss(model, free_bits=100.0, free_bits_per=per), loss(model, beta=0.0)
    assert_close(flat_gradient(found.loss, model.vae), flat_gradient(plain.loss, model.vae))


@pytest.mark.parametrize("per", PER)
def test_the_reported_terms_are_honest(per):
    model = wide_ppca()
    found, plain = loss(model, free_bits=3.0, free_bits_per=per), loss(model)
    for name, value in plain.terms.items():
        assert_close(found.terms[name], value)


def test_a_covariance_has_no_kl_of_a_dimension_and_is_told_what_to_use():
    model = wide_ppca(posterior=FullGaussian)
    with refused(match="is none", options=("objective.free_bits_per=site",)):
        elbo(model.vae, model.spec, free_bits=0.1)
    assert loss(model, free_bits=0.1, free_bits_per="site").loss.isfinite()


def test_negative_free_bits_are_refused():
    model = wide_ppca()
    with pytest.raises(Incompatible, match="must not be negative"):
        elbo(model.vae, model.spec, free_bits=-1.0)
