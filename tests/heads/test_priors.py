"""Priors: what their densities are, and that what they learn is learnable."""

import math
from functools import partial

import pytest
import torch
import torch.distributions as td
from torch.testing import assert_close

from tests.theorems import assert_mean
from vaebench.data import Field, Support
from vaebench.distributions import DiagNormal
from vaebench.errors import Incompatible
from vaebench.heads.priors import GaussianMixture, Normal, Vamp

LATENT = Field((2,))
OBSERVED = Field((3,), Support.UNIT, mean=torch.tensor([0.2, 0.5, 0.9]))
UNBOUNDED = Field((3,), mean=torch.tensor([-4.0, 0.5, 7.0]))


def posterior(x: torch.Tensor) -> DiagNormal:
    """q(z | x) that depends on x through both location and scale."""
    return DiagNormal(3 * x[..., :2] - x[..., 2:], x[..., 1:].sin())


def test_the_normal_prior_is_standard():
    z = torch.randn(5, 2)
    expected = td.Independent(td.Normal(torch.zeros(2), 1.0), 1)
    prior = Normal(LATENT)
    assert_close(prior().log_prob(z), expected.log_prob(z))
    assert list(prior.parameters()) == []


def test_the_mixture_prior_is_a_mixture_of_diagonal_gaussians():
    prior = GaussianMixture(LATENT, components=4)
    with torch.no_grad():
        prior.params.copy_(torch.randn(4, 4))
        prior.logits.copy_(torch.randn(4))
    parts = td.Independent(td.Normal(prior.params[:, :2], prior.params[:, 2:].exp()), 1)
    expected = td.MixtureSameFamily(td.Categorical(logits=prior.logits), parts)
    z = torch.randn(5, 3, 2)
    assert_close(prior().log_prob(z), expected.log_prob(z))


def test_the_mixture_prior_starts_with_equal_weights_unit_scales_and_the_spread_asked_for():
    prior = GaussianMixture(LATENT, components=5000, spread=3.0)
    assert_close(prior.logits.softmax(0), torch.full((5000,), 1 / 5000))
    loc, log_scale = prior.params.detach().chunk(2, -1)
    assert_close(log_scale, torch.zeros(5000, 2))
    assert_mean(loc, 0.0)
    assert_mean(loc.square(), 9.0)


@pytest.mark.parametrize("observed", [OBSERVED, UNBOUNDED], ids=["unit", "real"])
@pytest.mark.parametrize("components", [1, 4])
def test_the_vamp_density_is_the_average_of_posteriors_at_its_pseudo_inputs(observed, components):
    prior = Vamp(LATENT, posterior, observed, components=components, init_scale=1.0)
    z = torch.randn(5, 3, 2)
    each = torch.stack([posterior(u).log_prob(z).double() for u in prior.inputs])
    average = each.logsumexp(0) - math.log(components)
    assert_close(prior().log_prob(z).double(), average, rtol=1e-5, atol=1e-5)


def test_vamp_draws_come_from_the_posteriors_at_its_pseudo_inputs():
    prior = Vamp(LATENT, posterior, UNBOUNDED, components=3, init_scale=1.0)
    draws = prior().sample((40_000,))
    parts = posterior(prior.inputs.detach())
    assert_mean(draws, parts.loc.mean(0))
    assert_mean(draws.square(), (parts.loc.square() + (2 * parts.log_scale).exp()).mean(0))


def test_pseudo_inputs_lie_where_the_data_may():
    bounded = Vamp(LATENT, posterior, OBSERVED, components=50, init_scale=5.0).inputs
    assert 0 <= bounded.min() < bounded.max() <= 1
    assert Vamp(LATENT, posterior, UNBOUNDED, components=50, init_scale=5.0).inputs.max() > 1


def test_pseudo_inputs_start_at_the_mean_of_the_data():
    for observed in (OBSERVED, UNBOUNDED):
        inputs = Vamp(LATENT, posterior, observed, components=4, init_scale=0.0).inputs
        assert_close(inputs, observed.mean.expand(4, 3))
    assert len(Vamp(LATENT, posterior, OBSERVED, components=4).inputs.unique(dim=0)) == 4


@pytest.mark.parametrize(
    "kind", [partial(GaussianMixture, LATENT), partial(Vamp, LATENT, posterior, OBSERVED)]
)
def test_every_parameter_of_a_learned_prior_gets_a_gradient(kind):
    prior = kind(components=4)
    prior().log_prob(torch.randn(5, 2)).sum().backward()
    assert list(prior.parameters())
    assert all((p.grad != 0).any() for p in prior.parameters())


def test_the_vamp_prior_teaches_the_posterior_too():
    scale = torch.ones((), requires_grad=True)
    prior = Vamp(
        LATENT, lambda u: DiagNormal(scale * u[..., :2], u[..., 1:]), OBSERVED, components=4
    )
    density = prior().log_prob(torch.randn(2))
    (gradient,) = torch.autograd.grad(density, scale)
    assert gradient != 0


@pytest.mark.parametrize(
    "kind", [partial(GaussianMixture, LATENT), partial(Vamp, LATENT, posterior, OBSERVED)]
)
@pytest.mark.parametrize("components", [0, -3])
def test_a_mixture_of_nothing_is_refused(kind, components):
    with pytest.raises(Incompatible, match=f"prior.components={components}"):
        kind(components=components)
