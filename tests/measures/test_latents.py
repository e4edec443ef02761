"""Active units and the KL of each dimension, over the batches of a pass."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import (
    BottomUp,
    assert_mean,
    at_every_value,
    belief_net,
    bits,
    classes_vae,
    log_q_of,
    wide_ppca,
)
from vaebench.data import Field
from vaebench.heads.posteriors import FullGaussian, Gaussian, PointMass
from vaebench.inference import Hamiltonian, infer
from vaebench.measures import latents as module
from vaebench.measures.latents import Draws, Latents, Moments


def data(n=500):
    return 2 * torch.randn(n, 3, generator=torch.Generator().manual_seed(5))


def measured(model, batches, k=1):
    latents = Latents(model.vae)
    for x in batches:
        latents.add({"x": x}, infer(model.vae, {"x": x}, k))
    return latents.read()


def test_moments_of_batches_are_those_of_all_values():
    values = 1e4 + torch.randn(103, 4)
    found = Moments()
    for part in values.split(10):
        found.add(part)
    assert_close(found.mean, values.mean(0))
    assert_close(found.variance, values.var(0))


@pytest.mark.parametrize("posterior", [Gaussian, FullGaussian])
def test_a_unit_is_active_where_its_posterior_mean_varies_with_x(posterior):
    model = wide_ppca(posterior=posterior)
    model.encoder.weight.data.zero_()
    assert measured(model, data().split(100))["active_units"] == 0
    model.encoder.weight.data[0] = torch.tensor([1.0, 0.0, 0.0])
    assert measured(model, data().split(100))["active_units"] == 1


@pytest.mark.parametrize("factor", [0.95, 1.05])
def test_the_threshold_is_a_variance_of_a_hundredth(factor):
    model = wide_ppca()
    model.encoder.weight.data.zero_()
    x = data()
    scale = (factor * 0.01 / x[:, 0].var()).sqrt()
    model.encoder.weight.data[0, 0] = scale
    assert measured(model, x.split(100))["active_units"] == (factor > 1)


def test_the_kls_of_the_dimensions_add_up_to_the_kl():
    model, x = wide_ppca(), data()
    found = measured(model, x.split(37), k=2)
    kls = [value for name, value in found.items() if name.startswith("kl/z.")]
    assert len(kls) == 2
    kl = infer(model.vae, {"x": x}, 1).kl().mean()
    assert_close(torch.tensor(sum(kls)), kl.detach())


def test_many_dimensions_are_reported_as_one_number_for_each_latent(monkeypatch):
    model, x = wide_ppca(), data()
    each = measured(model, [x])
    monkeypatch.setattr(module, "MOST", 1)
    summed = measured(model, [x])
    total = sum(value for name, value in each.items() if name.startswith("kl/z."))
    assert summed == {"kl/z": pytest.approx(total), "active_units": 2.0}


def test_a_covariance_has_no_kl_by_dimension_and_a_point_has_active_units():
    assert list(measured(wide_ppca(posterior=FullGaussian), [data()])) == ["active_units"]
    model = wide_ppca(posterior=PointMass)
    assert measured(model, [data()]) == {"active_units": 2.0}


def test_the_units_of_classes_are_variables_active_where_one_class_is():
    """Of three variables, one hears x in one of its classes, one in all of them alike, one nothing."""
    model = classes_vae(dim=3, classes=4)
    layer = model.posterior.net[1]
    layer.bias.data.zero_()
    layer.weight.data.zero_()
    layer.weight.data[1, 0], layer.weight.data[4:8, 0] = 1.0, 0.1
    x = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]).repeat(50, 1)
    latents, evidence = Latents(model), infer(model, {"x": x}, 2)
    latents.add({"x": x}, evidence)
    found = latents.read()
    share = torch.tensor(1.0).exp() / (torch.tensor(1.0).exp() + 3)
    assert_close(latents.variances["z"][0], (share - 0.25).square() / 4 * 100 / 99)
    assert_close(latents.variances["z"][1:], torch.zeros(2), atol=1e-12, rtol=0)
    assert found["active_units"] == 1
    kls = [found[f"kl/z.{d}"] for d in range(3)]
    assert len(found) == 4
    assert_close(torch.tensor(sum(kls)), evidence.kl().mean().detach())


def test_the_variance_of_a_mean_over_draws_is_unbiased_however_few_they_are():
    """m(x, ε) = x (1 + ε) + δ: Var_x E m = 1, where the mean of two draws varies by 1.5."""
    x = torch.tensor([-1.0, 1.0]).repeat(5)
    exact = x.var()

    def once():
        found = Draws()
        for part in x.split(5):
            found.add(torch.stack([(part * (1 + e) + 3 * d).unsqueeze(1) for e, d in noise]))
        return found.variance

    estimates = []
    for _ in range(4000):
        noise = torch.randn(2, 2).tolist()  # common to all examples and batches
        estimates.append(once())
    assert_mean(torch.cat(estimates), exact)


def test_what_moves_with_the_draws_alone_does_not_vary_with_x():
    found = Draws()
    for _ in range(2):
        found.add(
            torch.randn(16, 1, 3, generator=torch.Generator().manual_seed(1)).expand(-1, 7, 3)
        )
    assert_close(found.variance, torch.zeros(3))


def exact_variance(model, x, name):
    """Var_x E_q[z | x] of a net of bits, over every value of what it depends on."""
    means = []
    for one in x:
        evidence = at_every_value(model, one)
        q = log_q_of(evidence).exp()
        means.append((q.unsqueeze(-1) * evidence.q[name].value).sum((0, 1)))
    return torch.stack(means).var(0)


@pytest.mark.parametrize("k", [1, 5])
def test_an_upper_layer_is_measured_by_its_mean_over_the_layer_below(k, monkeypatch):
    monkeypatch.setattr(module, "DRAWS", 3000)
    model, x = belief_net(), bits(3)
    latents = Latents(model)
    for part in x.split(3):
        latents.add({"x": part}, infer(model, {"x": part}, k))
    for name in ("z1", "z2"):
        exact = exact_variance(model, x, name)
        assert_close(latents.variances[name], exact, rtol=0.05, atol=1e-4)
    at_one_draw = infer(model, {"x": x.repeat(500, 1)}, 1).q["z2"].dist.mean[0].var(0)
    assert (at_one_draw > 2 * exact).any()  # what a single draw would say


@pytest.mark.parametrize("make", [belief_net, BottomUp])
def test_the_number_of_samples_plays_no_part(make):
    model, x = make(), bits(3)
    said = []
    for k in (1, 5, 50):
        latents = Latents(model)
        latents.add({"x": x}, infer(model, {"x": x}, k))
        said.append(torch.cat([*latents.variances.values()]))
    assert torch.equal(said[0], said[1])
    assert torch.equal(said[0], said[2])


def test_kls_are_means_over_all_samples():
    model, x = BottomUp(), data(20)
    evidence = infer(model, {"x": x}, 7)
    latents = Latents(model)
    latents.add({"x": x}, evidence)
    found = [latents.divergences[f"kl/h2.{d}"] for d in range(2)]
    exact = evidence.kl_by_dimension("h2").mean((0, 1))
    assert_close(torch.tensor(found), exact)
    assert (evidence.kl_by_dimension("h2").mean(1) - exact).abs().max() > 1e-3


@pytest.mark.parametrize("carries", [False, True])
def test_a_unit_that_is_moved_is_active_only_where_it_carries_something(carries):
    model = wide_ppca()
    model.vae.refine = Hamiltonian(
        {"z": Field((2,))},
        {"x": Field((3,))},
        steps=2,
        step_size=0.4,
        hidden=[4],
        activation="tanh",
    )
    model.encoder.weight.data.zero_()
    if not carries:
        model.decoder.weight.data.zero_()
    active = measured(model, data(60).split(20))["active_units"]
    assert active == (2 if carries else 0)
