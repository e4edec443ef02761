"""Gaussians with covariances, and what a mean and a covariance of the data say of any Gaussian."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal
from torch.testing import assert_close

from tests.theorems import flat_gradient, in_float64, refused
from vaebench.data import Field, Support
from vaebench.heads.covariances import LinearGaussian, MultivariateGaussian
from vaebench.heads.likelihoods import Gaussian

__all__ = ["in_float64"]

SHAPE, DIM = (1, 2, 3), 6
REAL = Field(SHAPE)


def data(n: int = 400) -> torch.Tensor:
    """Correlated, with a mean."""
    mix = torch.randn(DIM, DIM)
    return (torch.randn(n, DIM) @ mix + torch.randn(DIM)).view(n, *SHAPE)


def moments(x):
    flat = x.flatten(1)
    return flat.mean(0).view(SHAPE), flat.T.cov(correction=0)


def lower(tril):
    return tril.tril(-1) + tril.diagonal(dim1=-2, dim2=-1).abs().diag_embed()


# ----------------------------------------------------------------------------------- closed forms
UNIT = Field(SHAPE, Support.UNIT, 256)
CLOSED = {
    "linear gaussian": lambda: LinearGaussian(REAL, rank=2),
    "global": lambda: Gaussian(REAL, variance="global"),
    "per pixel": lambda: Gaussian(REAL, variance="per_pixel"),
    "amortised": lambda: Gaussian(REAL, variance="amortised"),
    "sigmoid": lambda: Gaussian(UNIT, variance="amortised", link="sigmoid"),
}


@pytest.mark.parametrize("name", CLOSED)
def test_no_gradient_is_left_at_the_parameters_of_a_mean_and_a_covariance(name):
    head, x = CLOSED[name](), data()
    if name == "sigmoid":
        x = x.sigmoid()
    params = torch.nn.Parameter(head.params_for_covariance(*moments(x)))
    loss = -head(params).log_prob(x).mean()
    whole = torch.nn.ParameterList([params, *head.parameters()])
    gradient = flat_gradient(loss, whole)
    assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-9)
    with torch.no_grad():
        params.add_(0.01)
    assert -head(params).log_prob(x).mean() > loss


def test_the_likelihood_of_ppca_is_tipping_and_bishop_s():
    """-½ (D log 2π + log det C + tr(C⁻¹ S)), with the least eigenvalues of S shared out."""
    head, x = LinearGaussian(REAL, rank=2), data()
    mean, s = moments(x)
    params = head.params_for_covariance(mean, s)
    values = torch.linalg.eigvalsh(s)
    noise, kept = values[:-2].mean(), values[-2:]
    assert_close(head.scale.square(), noise.view(1))
    log_det = kept.log().sum() + (DIM - 2) * noise.log()
    expected = -0.5 * (DIM * math.log(2 * math.pi) + log_det + DIM)
    assert_close(head(params).log_prob(x).mean(), expected, rtol=0, atol=1e-10)


def test_ppca_is_the_normal_density_of_its_covariance_to_1e_6():
    head, x = LinearGaussian(REAL, rank=3), data()
    params = head.params_for_covariance(*moments(x))
    covariance = head.w @ head.w.T + head.scale.square() * torch.eye(DIM)
    expected = MultivariateNormal(params.flatten(), covariance).log_prob(x.flatten(1))
    assert_close(head(params).log_prob(x), expected, rtol=0, atol=1e-6)


def test_the_floor_of_the_noise_is_kept_where_the_data_have_less():
    x = torch.randn(50, 1) @ torch.randn(1, DIM)
    head = LinearGaussian(REAL, rank=2, min_scale=0.1)
    params = head.params_for_covariance(*moments(x.view(50, *SHAPE)))
    assert_close(head.scale, torch.tensor([0.1]))
    assert head(params).log_prob(x.view(50, *SHAPE)).isfinite().all()


@pytest.mark.parametrize("rank", [0, 6])
def test_a_rank_that_is_none_is_refused(rank):
    with refused(
        "likelihood",
        match="must be at least 1 and less than .* 6 numbers",
        options=("likelihood.rank=5",),
    ):
        LinearGaussian(REAL, rank=rank)


# ------------------------------------------------------------------------------------ covariances
@pytest.mark.parametrize("kind", ["diagonal", "full", "tied"])
def test_parameters_for_covariances_give_normals_that_have_them(kind):
    head = MultivariateGaussian(REAL, covariance=kind, min_scale=0.01)
    means, tril = torch.randn(3, *SHAPE), lower(torch.randn(3, DIM, DIM)) + torch.eye(DIM)
    if kind == "diagonal":
        tril = tril.diagonal(dim1=-2, dim2=-1).diag_embed()
    if kind == "tied":
        tril = tril[0]
    covariances = tril @ tril.mT
    given = covariances.diagonal(dim1=-2, dim2=-1) if kind == "diagonal" else covariances
    dist, x = head(head.params_for_covariances(means, given)), data(20)
    assert (dist.batch_shape, dist.event_shape) == ((3,), SHAPE)
    expected = MultivariateNormal(means.flatten(1), covariances).log_prob(x.flatten(1)[:, None])
    assert_close(dist.log_prob_by_each(x), expected)


@pytest.mark.parametrize("kind", ["diagonal", "full"])
def test_no_scale_falls_below_its_floor(kind):
    head = MultivariateGaussian(REAL, covariance=kind, scale=0.3, min_scale=0.05)
    params = head.params_for_mean(torch.zeros(SHAPE))
    params[1:] = -1000.0
    peak = head(params).log_prob(torch.zeros(SHAPE))
    assert_close(peak, torch.tensor(-0.5 * DIM * math.log(2 * math.pi * 0.05**2)))


def test_of_a_tied_covariance_no_mean_changes_anything():
    head = MultivariateGaussian(REAL, covariance="tied")
    with torch.no_grad():
        head.lower.copy_(torch.randn(DIM, DIM))
    means, x = torch.randn(4, *SHAPE), torch.randn(SHAPE)
    shifted = head(means).log_prob(means + x)
    assert_close(shifted, shifted[:1].expand(4))
