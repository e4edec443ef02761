"""Weights under adaptive noise: what it costs, who sees it, and that all of a step see the same."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence
from torch.testing import assert_close

from tests.theorems import STEP, assert_mean, elbo, iwae, wide_ppca
from vaebench.distributions import GLOBAL, Noise
from vaebench.errors import Incompatible
from vaebench.inference import infer, rescore
from vaebench.nets.pixels import MaskedConv
from vaebench.nets.weights import AdaptiveNoise, gaussian


def noisy(layer: nn.Linear, relative: float = 0.5) -> AdaptiveNoise:
    gaussian(layer, relative_sd=relative)
    (noise,) = layer.parametrizations.weight
    return noise


def test_the_price_is_the_divergence_from_the_best_gaussian_of_the_layer():
    layer = nn.Linear(5, 4)
    noise = noisy(layer)
    with torch.no_grad():
        noise.log_sd.normal_()
    mean, sd = layer.parametrizations.weight.original, noise.log_sd.exp()

    def price(m, s):
        return kl_divergence(Normal(mean, sd), Normal(m, s)).sum()

    m = mean.mean()
    s = ((sd**2 + (mean - m) ** 2).mean()).sqrt()
    assert_close(noise.penalty(), price(m, s))
    for dm, ds in ((0.1, 0.0), (-0.1, 0.0), (0.0, 0.05), (0.0, -0.05)):
        assert price(m + dm, s + ds) > noise.penalty()


def test_draws_have_the_mean_and_the_deviation_of_each_weight():
    layer = nn.Linear(3, 2)
    noise = noisy(layer)
    drawn = []
    for _ in range(4000):
        noise.draw(Noise())
        drawn.append(layer.weight.detach())
    deviation = torch.stack(drawn) - layer.parametrizations.weight.original.detach()
    assert_mean(deviation, torch.zeros(2, 3))
    assert_mean(deviation.square(), (2 * noise.log_sd).exp().detach())


def test_an_evaluation_sees_the_means():
    layer = nn.Linear(3, 2)
    noise = noisy(layer)
    noise.draw(Noise())
    assert not torch.equal(layer.weight, layer.parametrizations.weight.original)
    layer.eval()
    assert torch.equal(layer.weight, layer.parametrizations.weight.original)


def test_samples_are_scored_again_by_the_weights_that_drew_them():
    model = wide_ppca()
    gaussian(model.vae, relative_sd=0.5)
    for module in model.vae.modules():
        if isinstance(module, AdaptiveNoise):
            module.draw(Noise())
    evidence = infer(model.vae, model.batch, 3)
    again, _ = rescore(evidence, model.vae, model.batch, GLOBAL)
    assert_close(again.log_w, evidence.log_w)


@pytest.mark.parametrize("objective", [elbo, iwae])
def test_each_step_sees_new_noise_and_pays_for_the_weights_once_in_the_data_set(objective):
    model = wide_ppca()
    gaussian(model.vae, relative_sd=0.5)
    made = objective(model.vae, model.spec)
    losses, bounds = [], []
    for _ in range(2):
        torch.manual_seed(0)
        made(model.vae, model.batch, STEP)  # moves the generator on
        estimate = made(model.vae, model.batch, STEP)
        losses.append(estimate.loss)
        bounds.append(-estimate.terms["bound"].mean())
    penalties = sum(m.penalty() for m in model.vae.modules() if isinstance(m, AdaptiveNoise))
    assert_close(losses[0] - bounds[0], penalties / model.spec.size)
    assert_close(losses[0], losses[1])
    assert not torch.equal(losses[0], made(model.vae, model.batch, STEP).loss)


def test_after_a_step_the_weights_are_their_means_again():
    model = wide_ppca()
    gaussian(model.vae, relative_sd=0.5)
    elbo(model.vae, model.spec)(model.vae, model.batch, STEP)
    assert model.vae.training
    x = model.batch["x"]
    assert torch.equal(model.vae.posterior(x).loc, model.vae.posterior(x).loc)
    trained = model.vae.posterior(x).loc
    assert torch.equal(trained, model.vae.eval().posterior(x).loc)


def test_the_least_price_of_a_layer_is_reached_where_all_its_weights_are_alike():
    layer = nn.Linear(4, 4)
    noise = noisy(layer)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.05)
    first = noise.penalty().item()
    for _ in range(2000):
        optimizer.zero_grad()
        noise.penalty().backward()
        layer.bias.grad = None
        optimizer.step()
    assert -1e-9 < noise.penalty().item() < 0.05 < first


@pytest.mark.parametrize("relative", [0.0, -1.0, math.nan])
def test_noise_without_a_size_is_refused(relative):
    with pytest.raises(Incompatible, match=r"Use weights\.relative_sd=0.1"):
        gaussian(nn.Linear(2, 2), relative_sd=relative)


def test_a_convolution_under_a_mask_has_noise_and_a_price_where_it_sees_alone():
    net = nn.Sequential(MaskedConv(torch.tensor([[[[1.0, 1.0, 0.0]]], [[[1.0, 0.0, 0.0]]]])))
    gaussian(net, relative_sd=0.1)
    noise, original = net[0].parametrizations.weight[0], net[0].parametrizations.weight.original
    before = noise.penalty()
    with torch.no_grad():
        original[:, :, :, 2] += 5.0
        noise.log_sd[:, :, :, 2] += 5.0
    assert torch.equal(noise.penalty(), before)
    with torch.no_grad():
        original[0, 0, 0, 0] += 5.0
    assert not torch.equal(noise.penalty(), before)
