"""Reconstruction under KL < δ: the Lagrangian, its two gradients, and where they lead."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from tests.theorems import STEP, constrained, elbo, flat_gradient, wide_ppca
from vaebench.errors import Incompatible
from vaebench.inference import infer


def estimate(objective, model, size=20):
    torch.manual_seed(1)
    return objective(model.vae, {"x": model.x.expand(size, 3)}, STEP)


def test_the_loss_is_the_lagrangian_and_the_terms_are_the_plain_ones():
    model = wide_ppca()
    found = estimate(constrained(model.vae, model.spec, limit=0.7, multiplier=2.5), model)
    plain = estimate(elbo(model.vae, model.spec), model)
    recon, kl = plain.terms["recon"].mean(), plain.terms["kl"].mean()
    assert_close(found.loss.detach(), -recon + 2.5 * (kl - 0.7))
    for name, value in plain.terms.items():
        assert_close(found.terms[name], value)
    assert_close(found.terms["multiplier"], torch.tensor(2.5))


@pytest.mark.parametrize("multiplier", [0.3, 1.0, 40.0])
def test_the_models_gradient_is_that_of_a_beta_vae_with_beta_the_multiplier(multiplier):
    model = wide_ppca()
    found = estimate(constrained(model.vae, model.spec, multiplier=multiplier), model).loss
    plain = estimate(elbo(model.vae, model.spec, beta=multiplier), model).loss
    assert_close(flat_gradient(found, model.vae), flat_gradient(plain, model.vae))


@pytest.mark.parametrize("limit", [0.0, 100.0])
def test_the_multiplier_climbs_where_the_limit_is_exceeded_and_falls_where_it_is_not(limit):
    model = wide_ppca()
    objective = constrained(model.vae, model.spec, limit=limit)
    found = estimate(objective, model)
    (gradient,) = torch.autograd.grad(found.loss, [objective.regularizers["limit"].preimage])
    slope = objective.regularizers["limit"].preimage.detach().sigmoid()  # of softplus
    assert_close(gradient, -(found.terms["kl"].mean() - limit) * slope)


@pytest.mark.parametrize("limit", [0.5, 2.0])
def test_training_ends_at_the_limit_with_the_gradients_in_balance(limit):
    """At the optimum ∇ recon = λ ∇ KL with λ > 0 and KL = δ (Karush, Kuhn, Tucker)."""
    model = wide_ppca()
    objective = constrained(model.vae, model.spec, limit=limit, multiplier_lr=0.02)
    # The encoder alone: a decoder that is free could always reconstruct better.
    optimizer = torch.optim.Adam(
        [{"params": [*model.vae.posterior.parameters()]}, *objective.groups()], 0.02
    )
    torch.manual_seed(0)
    for step in range(1500):
        if step == 1000:
            for group in optimizer.param_groups:
                group["lr"] /= 10  # smaller steps, less of the noise of the last ones
        optimizer.zero_grad()
        loss = objective(model.vae, {"x": model.x.expand(200, 3)}, STEP).loss
        loss.backward()
        optimizer.step()
    found = estimate(objective, model, 5000)
    assert found.terms["kl"].mean().item() == pytest.approx(limit, abs=0.05)
    assert F.softplus(objective.regularizers["limit"].preimage) > 0.1
    torch.manual_seed(1)
    recon = -infer(model.vae, {"x": model.x.expand(5000, 3)}, 1).recon.mean()
    unbalanced = flat_gradient(recon, model.vae.posterior).norm()
    assert flat_gradient(found.loss, model.vae.posterior).norm() < 0.1 * unbalanced


@pytest.mark.parametrize(
    ("option", "why"),
    [({"limit": -1.0}, "must not be negative"), ({"multiplier": 0.0}, "must be positive")],
)
def test_numbers_without_a_meaning_are_refused(option, why):
    model = wide_ppca()
    with pytest.raises(Incompatible, match=why):
        constrained(model.vae, model.spec, **option)
