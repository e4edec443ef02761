"""Autoregressive pixels and bits: normalised, triangular, and a mass whose samples it scores."""

import itertools
from functools import partial

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import assert_mean, at_every_value, in_float64
from vaebench.data import Field, Spec, Support
from vaebench.errors import Incompatible
from vaebench.heads.autoregressive import AutoregressivePixels
from vaebench.heads.posteriors import Bits
from vaebench.heads.priors import AutoregressiveBits
from vaebench.models import VAE
from vaebench.nets import MLP

__all__ = ["in_float64"]

SHAPE = (1, 2, 3)
FIELD = Field(SHAPE, Support.BINARY, 2, torch.full(SHAPE, 0.3).double())
EVERY = torch.tensor([*itertools.product([0.0, 1.0], repeat=6)]).view(-1, *SHAPE).double()


def shaken(module, scale=1.5):
    """Weights far from the small ones that training begins with."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=scale)
    return module


def head(hidden=(), field=FIELD, pixel="bernoulli"):
    return shaken(AutoregressivePixels(field, pixel=pixel, hidden=[*hidden], activation="tanh"))


@pytest.mark.parametrize("hidden", [(), (7,), (9, 8)])
def test_pixels_given_z_sum_to_one_over_all_images(hidden):
    params = torch.randn(3, *SHAPE)
    dist = head(hidden)(params)
    log_p = dist.log_prob(EVERY.unsqueeze(1))
    assert log_p.shape == (64, 3)
    assert_close(log_p.exp().sum(0), torch.ones(3))


def test_grey_levels_given_z_sum_to_one_over_all_images():
    field = Field((1, 2, 2), Support.LEVELS, 3)
    every = torch.tensor([*itertools.product([0.0, 0.5, 1.0], repeat=4)]).view(-1, 1, 2, 2).double()
    made = head((5,), field, "categorical")
    log_p = made(torch.randn(2, *made.param_shape)).log_prob(every.unsqueeze(1))
    assert_close(log_p.exp().sum(0), torch.ones(2))


@pytest.mark.parametrize("hidden", [(), (7,)])
def test_a_pixel_sees_those_before_it_alone(hidden):
    made, params = head(hidden), torch.randn(1, *SHAPE)
    x = torch.rand(6)

    def logits(flat):
        return made(params).conditional(flat.view(1, *SHAPE)).logits.flatten()

    jacobian = torch.autograd.functional.jacobian(logits, x)
    assert torch.equal(jacobian.triu(), torch.zeros(6, 6))
    assert (jacobian.tril(-1).abs() > 0).sum() == 15


def test_samples_have_the_moments_of_the_mass_that_they_are_scored_with():
    """E[x_i x_j] for all pairs: what a pixel does not make of those before it would show."""
    dist = head((7,))(torch.randn(1, *SHAPE))
    drawn = dist.sample((20_000,))[:, 0].flatten(1)
    mass = dist.log_prob(EVERY.unsqueeze(1)).exp().detach()
    every = EVERY.flatten(1)
    moments = torch.einsum("ni,nj,n->ij", every, every, mass[:, 0])
    assert_mean(drawn.unsqueeze(1) * drawn.unsqueeze(2), moments)


def test_scores_of_k_samples_and_b_examples_have_shape_k_by_b():
    made = head((7,))
    params, x = torch.randn(4, 3, *SHAPE), EVERY[:3]
    log_p = made(params).log_prob(x)
    assert log_p.shape == (4, 3)
    assert_close(log_p[2, 1], made(params[2, 1]).log_prob(x[1]))


def test_without_weights_on_pixels_it_is_the_plain_likelihood():
    made, params = head(), torch.randn(3, *SHAPE)
    with torch.no_grad():
        for parameter in made.net.parameters():
            parameter.zero_()
    assert_close(made(params).log_prob(EVERY[:3]), made.pixel(params).log_prob(EVERY[:3]))


def test_real_values_have_a_gaussian_each():
    made = shaken(
        AutoregressivePixels(Field((3,)), pixel="auto", hidden=[], activation="tanh"), 0.5
    )
    params, x = torch.randn(3), torch.randn(3)
    by_hand = []
    weight, bias = made.net.layers[0].mask * made.net.layers[0].weight, made.net.layers[0].bias
    for i in range(3):
        loc = params[i] + (weight[i] @ x) + bias[i]
        scale = torch.nn.functional.softplus(made.pixel.raw).flatten()[0]
        by_hand.append(torch.distributions.Normal(loc, scale).log_prob(x[i]))
    assert_close(made(params).log_prob(x), torch.stack(by_hand).sum())


@pytest.mark.parametrize(
    ("pixel", "field"),
    [
        ("bernoulli", Field((3,))),
        ("categorical", Field((1, 2, 2), Support.UNIT, 17)),
    ],
)
def test_pixels_that_do_not_fit_the_data_are_refused_in_one_line(pixel, field):
    with pytest.raises(Incompatible, match=r"Use likelihood\.pixel=auto"):
        AutoregressivePixels(field, pixel=pixel, hidden=[], activation="tanh")


def test_a_deep_autoregressive_network_is_a_mass_over_images():
    """Σ_x Σ_z p(z) p(x | z) = 1, with z of 3 bits and an autoregressive prior."""
    model = VAE(
        Spec({"x": FIELD}, 100),
        latent_dim=3,
        nets=MLP(hidden=[], activation="tanh", init="glorot", output_bias="data_mean"),
        posterior=Bits,
        prior=partial(AutoregressiveBits, hidden=[], activation="elu"),
        likelihood=partial(AutoregressivePixels, pixel="bernoulli", hidden=[], activation="relu"),
    )
    shaken(model)
    sites = [at_every_value(model, x).p.sites.values() for x in EVERY]
    masses = [sum(site.log_prob for site in each).exp().sum() for each in sites]
    assert_close(torch.stack(masses).sum(), torch.ones(()))
