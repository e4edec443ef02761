"""Data drawn from a linear-Gaussian model, whose density is known."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal
from torch.testing import assert_close

from tests.theorems import assert_mean
from vaebench.data import PPCA, Split
from vaebench.errors import DataError


def ppca(**options) -> PPCA:
    defaults = {"dim": 4, "latent_dim": 2, "noise": 0.5, "size": 20_000, "data_seed": 0}
    return PPCA(**(defaults | {"split": Split("last", 100, 100)} | options))


def covariance(data: PPCA) -> torch.Tensor:
    return data.w @ data.w.T + data.noise**2 * torch.eye(len(data.mu)).double()


def test_samples_have_mean_mu_and_covariance_w_wt_plus_noise():
    data = ppca()
    x = data.x.double()
    assert_mean(x, data.mu)
    centred = x - data.mu
    assert_mean(centred.unsqueeze(-1) * centred.unsqueeze(-2), covariance(data))


def test_exact_log_prob_is_the_multivariate_normal_density():
    data = ppca()
    x = data.split("test").batch(torch.arange(100))["x"]
    expected = MultivariateNormal(data.mu, covariance(data)).log_prob(x.double())
    assert_close(data.exact_log_prob({"x": x}), expected)


def test_exact_log_prob_of_the_golden_case_is_minus_4_161859():
    data = ppca(dim=2, latent_dim=1)
    data.w, data.mu = torch.tensor([[1.0], [2.0]]).double(), torch.zeros(2).double()
    data.noise = math.sqrt(0.5)
    log_prob = data.exact_log_prob({"x": torch.tensor([[1.0, -1.0]])})
    assert_close(log_prob, torch.tensor([-4.161859]).double(), rtol=0, atol=5e-7)


def test_data_are_a_function_of_the_data_seed_alone():
    torch.manual_seed(1)
    first = ppca()
    torch.manual_seed(2)
    assert torch.equal(ppca().x, first.x)
    assert not torch.equal(ppca(data_seed=1).x, first.x)
    assert not torch.equal(ppca(data_seed=1).w, first.w)


def test_the_spec_holds_the_shape_the_size_and_the_mean_of_training_examples():
    data = ppca()
    train = data.split("train").batch(torch.arange(19_800))["x"]
    assert data.spec.size == len(train) == 19_800
    assert data.spec["x"].shape == (4,)
    assert_close(data.spec["x"].mean, train.mean(0))


def test_the_three_parts_are_disjoint():
    data = ppca(size=1000)
    splits = [data.split(p) for p in ("train", "val", "test")]
    parts = [split.batch(torch.arange(len(split)))["x"] for split in splits]
    assert len(torch.cat(parts).unique(dim=0)) == 1000


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"latent_dim": 0}, "latent_dim=0"),
        ({"latent_dim": 5}, "latent_dim=5"),
        ({"noise": 0.0}, "noise=0.0"),
        ({"noise": -1.0}, "noise=-1.0"),
        ({"size": 150}, "too few"),
    ],
)
def test_a_model_that_cannot_be_is_refused_by_name(options, named):
    with pytest.raises(DataError, match=named):
        ppca(**options)
