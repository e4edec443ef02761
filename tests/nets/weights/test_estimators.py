"""Local reparameterization: the same marginals as a draw of the weights, without the covariance."""

import math

import pytest
import torch
from torch import nn
from torch.func import functional_call

from tests.nets.weights.noisy import ESTIMATORS, draws, gaussian_of_sd, noises, products
from tests.theorems import assert_mean, assert_same_mean, flat_gradient
from vaebench.distributions import Noise
from vaebench.nets.conditioner import MaskableLinear, MaskedLinear

MASK = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
LAYERS = {
    "linear": (lambda: nn.Linear(3, 2), (4, 3)),
    "linear of samples": (lambda: nn.Linear(3, 2, bias=False), (2, 3, 3)),
    "masked": (lambda: MaskedLinear(MASK.double()), (4, 3)),
    "convolution": (lambda: nn.Conv2d(2, 3, 3, stride=2, padding=1), (2, 2, 4, 3)),
    "sequence": (lambda: nn.Conv1d(2, 3, 2), (2, 2, 4)),
    "transposed": (
        lambda: nn.ConvTranspose2d(2, 3, 3, 2, 1, output_padding=(1, 0)),
        (2, 2, 2, 2),
    ),
}


def each_weight(layer, x):
    """∂ output / ∂ weight, `[outputs, weights]`: what a layer is linear in."""
    weight = layer.parametrizations.weight.original
    name = "parametrizations.weight.original"

    def out(w):
        return functional_call(layer, {name: w}, (x,)).flatten()

    return torch.autograd.functional.jacobian(out, weight).flatten(1)


@pytest.mark.parametrize("kind", ["linear", "convolution", "transposed"])
def test_two_examples_covary_under_one_draw_of_the_weights_and_not_under_local_draws(kind):
    """a = (1, 2) and σ² = .25: variances .25 and 1, covariance a₁ a₂ σ² = .5 against 0."""
    made = {
        "linear": lambda: nn.Linear(1, 1),
        "convolution": lambda: nn.Conv2d(1, 1, 1),
        "transposed": lambda: nn.ConvTranspose2d(1, 1, 1),
    }[kind]
    x = torch.tensor([1.0, 2.0]).view(2, 1, *([1, 1] if kind != "linear" else []))
    for estimator in ESTIMATORS:
        layer = gaussian_of_sd(made(), 0.5, estimator)
        covariance = 0.5 if estimator == "shared" else 0.0
        expected = torch.tensor([[0.25, covariance], [covariance, 1.0]])
        mean = layer(x)
        found = draws(layer, x, count=4000)
        assert_mean(found, mean.detach())
        assert_mean(products(found, mean), expected)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("kind", LAYERS)
def test_every_activation_has_the_distribution_that_random_weights_give_it(kind, estimator):
    """Mean x M, variance Σ x² σ²; normal, by its fourth moment."""
    make, shape = LAYERS[kind]
    layer, x = gaussian_of_sd(make(), 0.5, estimator), torch.randn(shape)
    mean = layer(x).detach()
    variance = (each_weight(layer, x).square().sum(1) * 0.25).view(mean.shape)
    found = draws(layer, x)
    assert_mean(found, mean)
    deviation = found - mean
    assert_mean(deviation.square(), variance)
    assert_mean(deviation.pow(4), 3 * variance.square())


@pytest.mark.parametrize("kind", LAYERS)
def test_examples_see_nets_of_their_own_but_where_they_share_one(kind):
    """Within an example a draw of weights correlates what they have in common; a local one nothing."""
    make, shape = LAYERS[kind]
    x = torch.randn(shape)
    for estimator in ESTIMATORS:
        layer = gaussian_of_sd(make(), 0.5, estimator)
        mean, slopes = layer(x).detach(), each_weight(layer, x)
        shared = 0.25 * slopes @ slopes.T
        example = torch.arange(len(mean.flatten())) // mean[0].numel()
        if kind == "linear of samples":
            example = torch.arange(len(mean.flatten())) // mean.shape[-1]
        of_one = (example[:, None] == example[None, :]).to(shared)
        expected = {
            "shared": shared,
            "per_example": shared * of_one,
            "local": shared.diag().diag_embed(),
        }
        assert_mean(products(draws(layer, x), mean), expected[estimator])


def test_masked_weights_have_no_noise():
    x = torch.randn(5, 3)
    for estimator in ESTIMATORS:
        layer = gaussian_of_sd(MaskableLinear(3, 2), 0.5, estimator)
        other = x.clone()
        other[:, :2] += 10  # which the second output of MASK does not see
        for noise in noises(layer):
            noise.draw(Noise())
        torch.manual_seed(0)
        one = layer(x, MASK.double())
        torch.manual_seed(0)
        two = layer(other, MASK.double())
        assert torch.equal(one[:, 1], two[:, 1])
        assert not torch.equal(one[:, 0], two[:, 0])


def test_the_three_estimators_have_the_same_mean_gradient_and_local_the_least_variance():
    """Of a squared error of a net with one hidden layer, by all of its weights and deviations."""
    torch.manual_seed(2)
    x, y = torch.randn(20, 3), torch.randn(20, 2)
    start = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).state_dict()
    found = {}
    for estimator in ESTIMATORS:
        net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        net.load_state_dict(start)
        gaussian_of_sd(net, 0.4, estimator)
        gradients = []
        for _ in range(1500):
            for noise in noises(net):
                noise.draw(Noise())
            gradients.append(flat_gradient((net(x) - y).square().mean(), net))
        found[estimator] = torch.stack(gradients)
    for other in ("per_example", "shared"):
        assert_same_mean(found["local"], found[other])
    variance = {name: g.var(0).sum().item() for name, g in found.items()}
    assert variance["local"] < variance["per_example"] < variance["shared"] / 3


def test_an_input_of_zeros_has_no_noise_and_finite_gradients():
    for estimator in ESTIMATORS:
        layer = gaussian_of_sd(nn.Linear(3, 2), 0.5, estimator)
        for noise in noises(layer):
            noise.draw(Noise())
        out = layer(torch.zeros(4, 3))
        torch.testing.assert_close(out, layer.bias.expand(4, 2), atol=1e-9, rtol=0)
        assert flat_gradient(out.square().sum(), layer).isfinite().all()
        assert math.isfinite(out.sum().item())
