"""Learned densities of z and autoregressive ones: sums, samples, gradients and passes."""

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.theorems import assert_mean, in_float64
from vaebench.data import Field
from vaebench.distributions import (
    Autoregressive,
    BernoulliLogits,
    DiagNormal,
    Distribution,
    FullNormal,
    Noise,
)
from vaebench.errors import Incompatible
from vaebench.heads import Prior
from vaebench.heads.priors import AutoregressivePrior, FlowPrior, LearnedGaussian
from vaebench.nets.conditioner import Conditioner, made

__all__ = ["in_float64"]

DRAWS = 40_000
NETS = {"hidden": [7], "activation": "tanh"}
FAMILIES = {
    name: partial(FlowPrior, family=name, K=2, **NETS)
    for name in ("realnvp", "nice", "radial", "iaf")
}
AUTOREGRESSIVE = {"autoregressive": partial(AutoregressivePrior, components=3, **NETS)}
ALL = FAMILIES | AUTOREGRESSIVE | {"gaussian": LearnedGaussian}

Kind = Callable[..., Prior]


def over(kinds: dict[str, Kind]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("kind", kinds.values(), ids=kinds.keys())


def learned(kind: Kind, dim: int = 2) -> Prior:
    """A prior as if it had been trained, far from where it starts."""
    prior = kind(Field((dim,)))
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    return prior


def lighter(p: Distribution) -> FullNormal:
    """A Gaussian near the mean of p, with lighter tails."""
    z = p.sample((5000,))
    return FullNormal(z.mean(0), 0.25 * torch.linalg.cholesky(z.T.cov()))


def moments(z: Tensor) -> Tensor:
    """Of first and second order, `[*, 5]`."""
    a, b = z.unbind(-1)
    return torch.stack([a, b, a * a, a * b, b * b], -1)


def grid(p: Distribution) -> tuple[Tensor, Tensor]:
    """Points of the plane as far as p's samples reach and beyond, and the probability of each."""
    z, axis = p.sample((5000,)), torch.arange(-14, 14, 0.05)
    axes = torch.linalg.cholesky(z.T.cov())
    points = z.mean(0) + torch.cartesian_prod(axis, axis) @ axes.T
    return points, p.log_prob(points).exp() * 0.05**2 * axes.diagonal().prod()


class Passes:
    """How often these nets are called."""

    def __init__(self, nets: list[Conditioner]) -> None:
        self.nets, self.count = nets, 0
        for net in nets:
            net.register_forward_hook(self.called)

    def called(self, *_: object) -> None:
        self.count += 1

    def of(self, run: Callable[[], object]) -> float:
        """Calls of each net while this runs."""
        self.count = 0
        run()
        return self.count / len(self.nets)


# ---------------------------------------------------------------------------- density and samples
@over(ALL)
def test_densities_of_the_plane_integrate_to_one(kind):
    with torch.no_grad():
        _, mass = grid(learned(kind)())
    assert_close(mass.sum(), torch.tensor(1.0), rtol=0, atol=1e-3)


@over(ALL)
def test_samples_have_the_moments_of_the_density(kind):
    with torch.no_grad():
        p = learned(kind)()
        points, mass = grid(p)
        assert_mean(moments(p.sample((DRAWS,))), mass @ moments(points))


@pytest.mark.parametrize("dim", [2, 3])
@over(ALL)
def test_the_weight_of_a_lighter_density_averages_to_one_over_own_samples(kind, dim):
    """E_p[r / p] = 1, which fails where draws and density disagree."""
    with torch.no_grad():
        p = learned(kind, dim)()
        z = p.sample((DRAWS,))
        assert_mean((lighter(p).log_prob(z) - p.log_prob(z)).exp(), 1.0)


@over(ALL)
def test_every_leading_dimension_of_a_value_is_scored_by_itself(kind):
    p, z = learned(kind)(), torch.randn(4, 3, 2)
    assert p.batch_shape == ()
    assert p.event_shape == (2,)
    assert p.sample((4, 3)).shape == (4, 3, 2)
    one_by_one = torch.stack([torch.stack([p.log_prob(each) for each in row]) for row in z])
    assert_close(p.log_prob(z), one_by_one)


@over(FAMILIES | {"gaussian": LearnedGaussian})
def test_an_own_draw_is_scored_as_log_prob_scores_it(kind):
    p = learned(kind, 3)()
    value, score = p.rsample_and_log_prob((4, 5), Noise())
    assert_close(score(), p.log_prob(value), rtol=0, atol=1e-8)


@pytest.mark.parametrize("dim", [2, 3])
@over(ALL)
def test_every_parameter_of_a_new_prior_gets_a_gradient(kind, dim):
    prior = kind(Field((dim,)))
    prior().log_prob(torch.randn(9, dim)).sum().backward()
    assert list(prior.parameters())
    assert all((p.grad != 0).any() for p in prior.parameters())
    if hasattr(prior, "params"):
        assert (prior.params.grad != 0).all()


def test_the_learned_gaussian_is_a_gaussian_that_begins_as_the_standard_one():
    prior, z = LearnedGaussian(Field((3,))), torch.randn(5, 3)
    standard = DiagNormal(torch.zeros(3), torch.zeros(3))
    assert_close(prior().log_prob(z), standard.log_prob(z))
    with torch.no_grad():
        prior.params.copy_(torch.tensor([1.0, -2.0, 0.5, 0.1, -0.3, 0.7]))
    moved = torch.distributions.Normal(prior.params[:3], prior.params[3:].exp())
    assert_close(prior().log_prob(z), moved.log_prob(z).sum(-1))


# ------------------------------------------------------------------------------------------ passes
def test_a_turned_iaf_scores_in_one_pass_and_samples_coordinate_by_coordinate():
    prior = learned(FAMILIES["iaf"], 5)
    passes = Passes(list(prior.head.nets))
    p = prior()
    assert passes.of(lambda: p.log_prob(torch.randn(7, 5))) == 1
    assert passes.of(lambda: p.sample((7,))) >= 5


def test_a_turned_iaf_scores_where_its_steps_take_a_value_to():
    prior, z = learned(FAMILIES["iaf"], 5), torch.randn(7, 5)
    flow, eps, total = prior.head(prior.params), z, torch.zeros(7)
    for f in flow.transforms:
        eps, log_det = f(eps)
        total = total + log_det
    assert_close(prior().log_prob(z), flow.base.log_prob(eps) + total)


@pytest.mark.parametrize("name", ["realnvp", "nice"])
def test_coupling_priors_score_and_sample_in_one_pass(name):
    prior = learned(FAMILIES[name], 5)
    passes = Passes(list(prior.head.nets))
    p = prior()
    assert passes.of(lambda: p.log_prob(torch.randn(7, 5))) == 1
    assert passes.of(lambda: p.sample((7,))) == 1


def test_an_autoregressive_prior_scores_in_one_pass_and_samples_coordinate_by_coordinate():
    prior = learned(AUTOREGRESSIVE["autoregressive"], 5)
    passes = Passes([prior.net])
    p = prior()
    assert passes.of(lambda: p.log_prob(torch.randn(7, 5))) == 1
    assert passes.of(lambda: p.sample((7,))) == 5


# ------------------------------------------------------------------------------ a mixture at a time
def test_the_first_coordinate_of_an_autoregressive_prior_is_a_mixture_of_gaussians():
    """Whose weights, means and scales are the biases of its net."""
    prior = learned(AUTOREGRESSIVE["autoregressive"], 1)
    logits, loc, log_scale = prior.net.layers[-1].bias.view(3, 3)
    z = torch.randn(6, 1)
    each = torch.distributions.Normal(loc, log_scale.exp()).log_prob(z)
    expected = (logits.log_softmax(0) + each).logsumexp(-1)
    assert_close(prior().log_prob(z), expected)


def test_a_later_coordinate_of_an_autoregressive_prior_depends_on_the_earlier_ones_alone():
    p = learned(AUTOREGRESSIVE["autoregressive"], 3)()

    def conditionals(z: Tensor) -> Tensor:
        return p.conditional(z).dist.base_dist.log_prob(torch.zeros(3))

    seen = torch.autograd.functional.jacobian(conditionals, torch.randn(3)) != 0
    assert torch.equal(seen, torch.ones(3, 3, dtype=torch.bool).tril(-1))


# ---------------------------------------------------------------------------------------- refusals
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("k", [0, -1])
def test_a_flow_of_no_transforms_is_refused(family, k):
    with pytest.raises(Incompatible, match=r"prior\.K"):
        FlowPrior(Field((2,)), family=family, K=k, **NETS)


@pytest.mark.parametrize("components", [0, -3])
def test_a_mixture_of_nothing_is_refused(components):
    with pytest.raises(Incompatible, match=f"prior.components={components}"):
        AutoregressivePrior(Field((2,)), components=components, **NETS)


# ------------------------------------------------------------------ autoregressive bits, enumerated
ORDERS: dict[str, Callable[[int], Tensor]] = {
    "forward": torch.arange,
    "reversed": lambda dim: torch.arange(dim).flip(0),
    "random": lambda dim: torch.randperm(dim, generator=torch.Generator().manual_seed(1)),
}
in_any_order = pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
at_any_depth = pytest.mark.parametrize("hidden", [[], [9], [9, 8]], ids=str)


def bits(order: Tensor, hidden: list[int]) -> Autoregressive:
    """Dependent bits `[*order.shape]` whose logits a MADE computes; none is rarer than .18."""
    flat, dims = order.flatten(), order.ndim
    net = made(flat, 1, hidden, 0, "tanh")
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(1.5 * torch.randn(parameter.shape))

    def conditional(x: Tensor) -> BernoulliLogits:
        z = x.flatten(-dims)
        return BernoulliLogits(1.5 * net(z, z).detach().sin().view(x.shape), event_dims=dims)

    return Autoregressive(conditional, order, torch.zeros(()))


def every(shape: tuple[int, ...]) -> Tensor:
    """All values of so many bits, `[2^D, *shape]`."""
    return torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * math.prod(shape)).view(-1, *shape)


@pytest.mark.parametrize("dim", [1, 3, 8])
@at_any_depth
@in_any_order
def test_probabilities_of_all_bits_sum_to_one(order, hidden, dim):
    log_prob = bits(order(dim), hidden).log_prob(every((dim,)))
    assert log_prob.shape == (2**dim,)
    assert_close(log_prob.logsumexp(0), torch.tensor(0.0), rtol=0, atol=1e-10)


@at_any_depth
@in_any_order
def test_the_bits_of_this_file_are_dependent(order, hidden):
    """A product of marginals would not notice a wrong order."""
    p, x = bits(order(4), hidden), every((4,))
    joint = p.log_prob(x).exp()
    marginal = joint @ x
    assert (joint - BernoulliLogits(marginal.logit()).log_prob(x).exp()).abs().max() > 0.02


@pytest.mark.parametrize("shape", [(4,), (2, 2)], ids=str)
@at_any_depth
@in_any_order
def test_bits_occur_as_often_as_their_probability_says(order, hidden, shape):
    p, x = bits(order(4).view(shape), hidden), every(shape)
    probability = p.log_prob(x).exp()
    assert probability.min() * DRAWS > 10
    drawn = p.sample((DRAWS,), Noise(torch.Generator().manual_seed(1)))
    assert drawn.shape == (DRAWS, *shape)
    hits = (drawn.unsqueeze(1) == x).flatten(2).all(-1)
    assert_mean(hits.double(), probability)


@at_any_depth
@in_any_order
def test_the_mean_of_bits_is_off_by_no_more_than_the_noise_of_16_draws(order, hidden):
    p, x = bits(order(4), hidden), every((4,))
    probability, given_earlier = p.log_prob(x).exp(), p.conditional(x).mean
    exact = probability @ x
    assert_close(probability @ given_earlier, exact)
    spread = (probability @ (given_earlier - exact).square()).sqrt()
    assert spread.max() > 0.05
    assert_mean(p.mean.expand(2, 4), exact, spread / math.sqrt(16))


def test_the_mean_of_bits_draws_nothing_and_is_the_same_each_time():
    p, before = bits(torch.arange(4), [9]), torch.get_rng_state()
    assert torch.equal(p.mean, p.mean)
    assert torch.equal(torch.get_rng_state(), before)


def test_autoregressive_bits_are_discrete_and_are_drawn_without_a_path():
    p = bits(torch.arange(4), [9])
    assert p.is_discrete
    assert not p.has_rsample
    assert not AutoregressivePrior(Field((2,)), components=2, **NETS)().is_discrete
