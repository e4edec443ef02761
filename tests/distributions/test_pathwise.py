"""Gradients of expectations: f = z², z ~ N(μ, 1) at μ = 1, whose gradient is 2."""

import torch
from torch.distributions import MultivariateNormal
from torch.testing import assert_close

from tests.distributions.pairs import ALL
from tests.theorems import assert_mean
from vaebench.distributions import DiagNormal, FullNormal, Noise

N = 100_000


def normal_at_one() -> tuple[torch.Tensor, DiagNormal]:
    loc = torch.ones(N, 1, requires_grad=True)
    return loc, DiagNormal(loc, torch.zeros(1))


def test_the_pathwise_gradient_has_mean_2_and_variance_4():
    loc, dist = normal_at_one()
    z = dist.rsample((), Noise())
    (gradient,) = torch.autograd.grad(z.square().sum(), loc)
    assert_mean(gradient, 2.0)
    assert_mean((gradient - 2).square(), 4.0)


def test_the_score_function_gradient_has_mean_2_and_variance_30():
    loc, dist = normal_at_one()
    z = dist.sample()
    (score,) = torch.autograd.grad(dist.log_prob(z).sum(), loc)
    gradient = z.square() * score
    assert_mean(gradient, 2.0)
    assert_mean((gradient - 2).square(), 30.0)


def test_the_path_runs_through_the_scale_too():
    """d E[z²] / d log σ = 2 σ²."""
    log_scale = torch.full((N, 1), -0.5, requires_grad=True)
    z = DiagNormal(torch.ones(N, 1), log_scale).rsample((), Noise())
    (gradient,) = torch.autograd.grad(z.square().sum(), log_scale)
    assert_mean(gradient, 2 * torch.tensor(-1.0).exp())


def test_the_path_runs_through_the_full_scale():
    """d E[z_0 z_1] / d L = L with its rows exchanged, as E[z zᵀ] = L Lᵀ."""
    tril = torch.tensor([[0.6, 0.0], [-0.9, 1.3]]).expand(N, 2, 2).clone().requires_grad_()
    z = FullNormal(torch.zeros(N, 2), tril).rsample((), Noise())
    (gradient,) = torch.autograd.grad(z.prod(-1).sum(), tril)
    lower = gradient[:, [0, 1], [0, 0]]
    assert_mean(lower, torch.tensor([-0.9, 0.6]))


def test_an_own_draw_has_the_total_derivative_of_its_log_prob():
    """Scoring through the noise and scoring the value give parameters the same gradient."""
    loc, log_scale = torch.randn(3, 2, requires_grad=True), torch.randn(3, 2, requires_grad=True)
    tril = (torch.randn(3, 2, 2).tril(-1) + torch.eye(2)).requires_grad_()
    for dist, parameters in (
        (DiagNormal(loc, log_scale), [loc, log_scale]),
        (FullNormal(loc, tril), [loc, tril]),
    ):
        value, score = dist.rsample_and_log_prob((4,), Noise())
        own, foreign = (
            torch.autograd.grad(log_q.sum(), parameters, retain_graph=True, materialize_grads=True)
            for log_q in (score(), dist.log_prob(value))
        )
        for a, b in zip(own, foreign, strict=True):
            assert_close(a.tril(), b.tril())


def test_the_gradient_of_log_prob_is_that_of_torch():
    loc = torch.randn(3, 2, requires_grad=True)
    tril = (torch.randn(3, 2, 2).tril(-1) + torch.eye(2)).requires_grad_()
    value = torch.randn(3, 2)
    ours = torch.autograd.grad(FullNormal(loc, tril).log_prob(value).sum(), [loc, tril])
    theirs = MultivariateNormal(loc, scale_tril=tril).log_prob(value).sum()
    for a, b in zip(ours, torch.autograd.grad(theirs, [loc, tril]), strict=True):
        assert_close(a.tril(), b.tril())


def test_only_distributions_with_a_path_say_that_they_have_one():
    without = {make.__name__ for make in ALL if not make().ours.has_rsample}
    mixtures = {"mixture", "mixture_of_images", "mixture_of_full"}
    assert without == {"bernoulli", "categorical", "one_hot", *mixtures}
