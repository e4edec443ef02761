"""Heads of bits: Bernoulli posteriors and priors, and the autoregressive prior over bits."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.distributions as td
from torch.testing import assert_close

from tests.theorems import assert_mean, bits, in_float64, scattered
from vaebench.data import Field, Support
from vaebench.heads import latent_field, posteriors, priors
from vaebench.trace import Trace

__all__ = ["in_float64"]

HIDDEN = [[], [5], [7, 6]]


def field(width: int) -> Field:
    return Field((width,), Support.BINARY, 2)


def autoregressive(width: int, hidden: list[int]) -> priors.AutoregressiveBits:
    """One whose bits depend on each other strongly."""
    prior = priors.AutoregressiveBits(field(width), hidden=hidden, activation="tanh")
    return scattered(prior, spread=2.0)


def test_the_posterior_of_bits_has_their_logits_as_parameters():
    head, logits, z = posteriors.Bits(Field((4,))), torch.randn(5, 4), bits(4)
    assert head.param_shape == (4,)
    expected = td.Independent(td.Bernoulli(logits=logits), 1).log_prob(z.unsqueeze(1))
    assert_close(head(logits).log_prob(z.unsqueeze(1)), expected)


def test_the_field_of_a_latent_knows_what_its_posterior_infers():
    binary = latent_field(4, posteriors.Bits(Field((4,))))
    assert (binary.shape, binary.support, binary.levels) == ((4,), Support.BINARY, 2)
    assert latent_field(4, posteriors.Gaussian(Field((4,)))).support is Support.REAL


def test_the_prior_of_bits_begins_fair_and_is_learned():
    prior = priors.Bits(field(4))
    assert_close(prior().log_prob(bits(4)).exp(), torch.full((16,), 1 / 16))
    slope = torch.autograd.grad(prior().log_prob(torch.ones(4)), prior.logits)[0]
    assert_close(slope, torch.full((4,), 0.5))


# ----------------------------------------------------------------------------- autoregressive
@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
@pytest.mark.parametrize("width", [1, 2, 5, 10])
def test_autoregressive_bits_sum_to_one_over_all_their_values(width, hidden):
    log_p = autoregressive(width, hidden)().log_prob(bits(width))
    assert log_p.shape == (2**width,)
    assert_close(log_p.exp().sum(), torch.tensor(1.0), rtol=0, atol=1e-12)


@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
def test_each_logit_sees_the_bits_before_it_and_all_of_them(hidden):
    prior = autoregressive(5, hidden)
    z = torch.rand(5)
    jacobian = torch.autograd.functional.jacobian(lambda v: prior._conditional(v).logits, z)
    assert (jacobian.triu() == 0).all()
    assert (jacobian[*torch.tril_indices(5, 5, offset=-1)] != 0).all()


def test_without_hidden_layers_it_is_a_fully_visible_sigmoid_belief_net():
    prior, z = autoregressive(4, []), bits(4)
    layer = prior.net.layers[0]
    logits = torch.stack(
        [(layer.weight[i, :i] * z[:, :i]).sum(1) + layer.bias[i] for i in range(4)], 1
    )
    expected = td.Independent(td.Bernoulli(logits=logits), 1).log_prob(z)
    assert_close(prior().log_prob(z), expected)


def test_its_bits_depend_on_each_other():
    """Else a product of its marginals would pass for it."""
    p, z = autoregressive(3, [5])().log_prob(bits(3)).exp(), bits(3)
    marginal = p @ z
    product = torch.where(z > 0, marginal, 1 - marginal).prod(1)
    assert (p - product).abs().max() > 0.02


@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
def test_its_draws_have_its_probabilities(hidden):
    dist, n = autoregressive(3, hidden)(), 40_000
    z = dist.sample((n,))
    hits = torch.nn.functional.one_hot((z @ torch.tensor([4.0, 2.0, 1.0])).long(), 8).double()
    probability = dist.log_prob(bits(3)).exp().detach()
    likely = probability > 1e-3
    assert_mean(hits[:, likely], probability[likely])


@pytest.mark.parametrize(
    "make",
    [partial(priors.Bits), partial(priors.AutoregressiveBits, hidden=[4], activation="relu")],
)
def test_a_trace_draws_k_by_b_of_them_and_scores_them_so(make):
    p = Trace(3, 2)
    z = p("z", make(field(4))())
    assert z.shape == (3, 2, 4)
    assert ((z == 0) | (z == 1)).all()
    assert p["z"].log_prob.shape == (3, 2)
    assert p["z"].dist.is_discrete
    assert not z.requires_grad
