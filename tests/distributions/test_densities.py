"""Each density is that of torch.distributions, sums to one, and is the one that is drawn from."""

import math

import pytest
import torch
from torch.testing import assert_close

from tests.distributions.pairs import ALL, CONTINUOUS, DISCRETE, OF_THE_PLANE, over
from tests.theorems import assert_mean
from vaebench.distributions import (
    BernoulliLogits,
    CategoricalLevels,
    Delta,
    DiagNormal,
    FullNormal,
    LowRankNormal,
    Mixture,
    Noise,
    StandardNormal,
)
from vaebench.errors import Incompatible

DRAWS = 40_000


def draw(dist, *shape: int, seed: int = 1):
    return dist.sample(shape, Noise(torch.Generator().manual_seed(seed)))


@over(ALL)
def test_shapes_and_mean_are_those_of_torch(pair):
    assert pair.ours.batch_shape == pair.theirs.batch_shape
    assert pair.ours.event_shape == pair.theirs.event_shape
    assert draw(pair.ours, 7).shape == (7, *pair.theirs.batch_shape, *pair.theirs.event_shape)
    assert_close(pair.ours.mean, pair.theirs.mean)


@over(ALL)
def test_log_prob_is_that_of_torch_with_every_constant(pair):
    value = draw(pair.ours, 5)
    assert_close(pair.ours.log_prob(value), pair.theirs.log_prob(value))


@over(ALL)
def test_log_prob_of_one_value_is_scored_under_every_parameter_of_the_batch(pair):
    value = draw(pair.ours)[0] if pair.ours.batch_shape else draw(pair.ours)
    expected = pair.theirs.log_prob(value.expand(*pair.ours.batch_shape, *value.shape))
    assert_close(pair.ours.log_prob(value), expected)


@over(ALL)
@pytest.mark.parametrize("shape", [(), (4,), (4, 3)], ids=str)
def test_an_own_draw_is_scored_as_log_prob_scores_it(pair, shape):
    value, score = pair.ours.rsample_and_log_prob(shape, Noise())
    assert value.shape == (*shape, *pair.theirs.batch_shape, *pair.theirs.event_shape)
    assert_close(score(), pair.ours.log_prob(value))


@over(ALL)
def test_samples_have_the_mean_and_variance_of_the_density(pair):
    value = draw(pair.ours, DRAWS)
    assert_mean(value, pair.theirs.mean)
    if pair.all_values is None:
        assert_mean((value - pair.theirs.mean).square(), pair.theirs.variance)


def test_full_normal_samples_have_covariance_l_lt():
    loc, tril = torch.tensor([1.0, -2.0]), torch.tensor([[0.6, 0.0], [-0.9, 1.3]])
    centred = draw(FullNormal(loc, tril), DRAWS) - loc
    assert_mean(centred.unsqueeze(-1) * centred.unsqueeze(-2), tril @ tril.T)


def test_low_rank_normal_samples_have_covariance_w_wt_plus_noise():
    loc, w, scale = torch.tensor([1.0, -2.0]), torch.tensor([[0.6], [-0.9]]), torch.tensor([0.3])
    centred = draw(LowRankNormal(loc, w, scale), DRAWS) - loc
    expected = w @ w.T + 0.09 * torch.eye(2)
    assert_mean(centred.unsqueeze(-1) * centred.unsqueeze(-2), expected)


@over(DISCRETE)
def test_values_occur_as_often_as_their_probability_says(pair):
    values, event_dims = pair.all_values, len(pair.theirs.event_shape)
    for each in (0, 2):
        drawn = draw(pair.ours, DRAWS)[:, each].unsqueeze(1)
        hits = (drawn - values).abs().flatten(-event_dims).amax(-1) < 1e-6
        probability = pair.ours.log_prob(values.unsqueeze(1)).exp()[:, each]
        assert_mean(hits.double(), probability)


@over(DISCRETE)
def test_probabilities_of_all_values_sum_to_one(pair):
    log_prob = pair.ours.log_prob(pair.all_values.unsqueeze(1))
    assert_close(log_prob.logsumexp(0), torch.zeros(3))


@over(DISCRETE)
def test_all_values_are_listed_once(pair):
    assert_close(pair.ours.values(), pair.all_values)
    assert len(pair.ours.values().unique(dim=0)) == len(pair.all_values)


@over(OF_THE_PLANE)
def test_densities_of_the_plane_integrate_to_one(pair):
    step, axis = 0.05, torch.arange(-14, 22, 0.05)
    plane = torch.cartesian_prod(axis, axis)
    batch = math.prod(pair.ours.batch_shape)
    log_prob = pair.ours.log_prob(plane.unsqueeze(1) if pair.ours.batch_shape else plane)
    integral = log_prob.exp().sum(0) * step**2
    assert_close(integral.view(-1), torch.ones(batch), rtol=0, atol=1e-4)


@over(CONTINUOUS)
def test_the_weight_of_a_lighter_density_averages_to_one_over_own_samples(pair):
    """E_q[r / q] = 1, which fails where draws and density disagree."""
    value = draw(pair.ours, DRAWS)
    spread = torch.distributions.Normal(pair.theirs.mean, 0.5 * pair.theirs.stddev)
    lighter = torch.distributions.Independent(spread, len(pair.theirs.event_shape))
    assert_mean((lighter.log_prob(value) - pair.ours.log_prob(value)).exp(), 1.0)


def test_the_cross_entropy_of_grey_values_is_linear_in_them():
    dist = BernoulliLogits(torch.tensor([0.3, -1.2]))
    zero, one = torch.zeros(2), torch.ones(2)
    mixed = dist.log_prob(torch.full((2,), 0.25))
    assert_close(mixed, 0.75 * dist.log_prob(zero) + 0.25 * dist.log_prob(one))


def test_log_prob_is_finite_at_extreme_logits():
    bits, levels = torch.tensor([0.0, 1.0]), torch.tensor([0.0, 1.0])
    certain = torch.tensor([-1e4, 1e4])
    assert_close(BernoulliLogits(certain).log_prob(bits), torch.tensor(0.0))
    assert_close(BernoulliLogits(certain).log_prob(1 - bits), torch.tensor(-2e4))
    logits = torch.stack([-certain, certain])
    assert_close(CategoricalLevels(logits).log_prob(levels), torch.tensor(0.0))


@pytest.mark.parametrize("levels", [2, 17, 42, 256])
def test_every_grey_level_is_found_in_float32(levels):
    """(j / 41) · 41 is not always j, and truncation would take it for the level below."""
    logits = torch.randn(levels, levels, dtype=torch.float32)
    value = torch.arange(levels).float() / (levels - 1)
    expected = logits.log_softmax(0).diagonal().sum()
    assert_close(CategoricalLevels(logits).log_prob(value), expected)


def test_mixture_draws_keep_the_gradient_of_the_component_that_was_drawn():
    """d E[z] / d u_m = π_m where component m is located at u_m."""
    inputs = torch.tensor([[-2.0], [3.0]], requires_grad=True)
    weights = torch.tensor([0.3, 0.7])
    mixture = Mixture(lambda u: DiagNormal(u, torch.zeros(1)), inputs, weights.log())
    draws = mixture.rsample((DRAWS,), Noise())
    (gradient,) = torch.autograd.grad(draws.sum(), inputs)
    upper = gradient[1].item() / DRAWS
    assert abs(upper - 0.7) < 4.5 * math.sqrt(0.21 / DRAWS)
    assert_close(gradient.sum(), torch.tensor(float(DRAWS)))


def test_a_point_mass_is_always_drawn_and_never_scored():
    value = torch.randn(3, 2)
    dist = Delta(value)
    drawn, score = dist.rsample_and_log_prob((5,), Noise())
    assert_close(drawn, value.expand(5, 3, 2))
    assert not dist.has_density
    with pytest.raises(Incompatible, match="no density"):
        score()


def test_an_evaluation_chunk_is_sized_by_the_numbers_that_one_event_needs():
    assert StandardNormal(torch.zeros(6)).width == 6
    assert BernoulliLogits(torch.zeros(4, 1, 2, 3), 3).width == 6
    assert CategoricalLevels(torch.zeros(4, 17, 1, 2, 3), 3).width == 17 * 6
