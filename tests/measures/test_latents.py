"""Active units and the KL of each dimension, over the batches of a pass."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import wide_ppca
from vaebench.heads.posteriors import FullGaussian, Gaussian, PointMass
from vaebench.inference import infer
from vaebench.measures import latents as module
from vaebench.measures.latents import Latents, Moments


def data(n=500):
    return 2 * torch.randn(n, 3, generator=torch.Generator().manual_seed(5))


def measured(model, batches, k=1):
    latents = Latents()
    for x in batches:
        latents.add(infer(model.vae, {"x": x}, k))
    return latents.read("val")


def test_moments_of_batches_are_those_of_all_values():
    values = 1e4 + torch.randn(103, 4)
    found, *rest = (Moments.of(part) for part in values.split(10))
    for part in rest:
        found = found + part
    assert_close(found.mean, values.mean(0))
    assert_close(found.variance, values.var(0))


@pytest.mark.parametrize("posterior", [Gaussian, FullGaussian])
def test_a_unit_is_active_where_its_posterior_mean_varies_with_x(posterior):
    model = wide_ppca(posterior=posterior)
    model.encoder.weight.data.zero_()
    assert measured(model, data().split(100))["val/active_units"] == 0
    model.encoder.weight.data[0] = torch.tensor([1.0, 0.0, 0.0])
    assert measured(model, data().split(100))["val/active_units"] == 1


@pytest.mark.parametrize("factor", [0.95, 1.05])
def test_the_threshold_is_a_variance_of_a_hundredth(factor):
    model = wide_ppca()
    model.encoder.weight.data.zero_()
    x = data()
    scale = (factor * 0.01 / x[:, 0].var()).sqrt()
    model.encoder.weight.data[0, 0] = scale
    assert measured(model, x.split(100))["val/active_units"] == (factor > 1)


def test_the_kls_of_the_dimensions_add_up_to_the_kl():
    model, x = wide_ppca(), data()
    found = measured(model, x.split(37), k=2)
    kls = [value for name, value in found.items() if name.startswith("val_kl/z.")]
    assert len(kls) == 2
    kl = infer(model.vae, {"x": x}, 1).kl().mean()
    assert_close(torch.tensor(sum(kls)), kl.detach())


def test_many_dimensions_are_reported_as_one_number_for_each_latent(monkeypatch):
    model, x = wide_ppca(), data()
    each = measured(model, [x])
    monkeypatch.setattr(module, "MOST", 1)
    summed = measured(model, [x])
    total = sum(value for name, value in each.items() if name.startswith("val_kl/z."))
    assert summed == {"val_kl/z": pytest.approx(total), "val/active_units": 2.0}


def test_a_covariance_has_no_kl_by_dimension_and_a_point_has_active_units():
    assert list(measured(wide_ppca(posterior=FullGaussian), [data()])) == ["val/active_units"]
    model = wide_ppca(posterior=PointMass)
    assert measured(model, [data()]) == {"val/active_units": 2.0}
