"""A prior over the weights counts once for the whole data set (the N/M of Kingma, Welling 2014)."""

import math
from functools import partial

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import STEP, elbo, golden_ppca, iwae
from vaebench.data import Spec

N, SD = 103, 0.7
OBJECTIVES = [
    partial(elbo, kl="mc"),
    partial(iwae, k=3),
    partial(iwae, k=3, estimator="stl"),
    partial(iwae, k=3, estimator="dreg"),
]


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("batch_size", [1, 10, N])
def test_minibatches_of_an_epoch_add_up_to_the_cost_of_the_data_set(objective, batch_size):
    """Σ M · loss = -log p(X) - log p(θ): exact, since log w has no variance at the posterior."""
    model = golden_ppca()
    model.set_exact_posterior()
    x = torch.randn(N, 2)
    cost = objective(model.vae, Spec(model.spec.fields, N), weight_sd=SD)
    total = sum(len(part) * cost(model.vae, {"x": part}, STEP).loss for part in x.split(batch_size))
    weights = torch.cat([p.flatten() for p in model.vae.parameters()])
    log_prior = torch.distributions.Normal(0.0, SD).log_prob(weights).sum()
    constant = -len(weights) * math.log(SD * math.sqrt(2 * math.pi))
    assert_close(total, -model.log_prob(x).sum() - (log_prior - constant))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_weight_prior_adds_theta_over_n_sd_squared_to_the_gradient(objective):
    model = golden_ppca()
    parameters = list(model.vae.parameters())
    gradients = []
    for weight_sd in (SD, math.inf):
        cost = objective(model.vae, Spec(model.spec.fields, N), weight_sd=weight_sd)
        torch.manual_seed(1)
        loss = cost(model.vae, model.batch, STEP).loss
        gradients.append(torch.autograd.grad(loss, parameters))
    for with_prior, without, parameter in zip(*gradients, parameters, strict=True):
        assert_close(with_prior - without, parameter.detach() / (N * SD**2))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_weight_prior_leaves_the_reported_terms_alone(objective):
    model = golden_ppca()
    terms = []
    for weight_sd in (SD, math.inf):
        cost = objective(model.vae, model.spec, weight_sd=weight_sd)
        torch.manual_seed(1)
        terms.append(cost(model.vae, model.batch, STEP).terms)
    assert_close(*terms)
