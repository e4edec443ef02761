"""Likelihood heads: their mean, their variance, their units, and the data that they refuse."""

import math
from functools import partial

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import assert_mean
from vaebench.data import Field, Support
from vaebench.errors import Incompatible
from vaebench.heads.covariances import LinearGaussian, MultivariateGaussian
from vaebench.heads.likelihoods import Bernoulli, Categorical, Gaussian
from vaebench.measures.likelihood import likelihood_metrics

SHAPE = (1, 3, 4)
REAL = Field(SHAPE)
UNIT = Field(SHAPE, Support.UNIT)
DEQUANTIZED = Field(SHAPE, Support.UNIT, 256)
BITS = Field(SHAPE, Support.BINARY, 2)
GREY = Field(SHAPE, Support.LEVELS, 17)
BYTES = Field(SHAPE, Support.LEVELS, 256)
LABEL = Field((), Support.LABEL, 10)

CORRELATED = (LinearGaussian, MultivariateGaussian)
HEADS = {
    "bernoulli": lambda: Bernoulli(BITS),
    "bernoulli grey": lambda: Bernoulli(UNIT),
    "categorical 2": lambda: Categorical(BITS),
    "categorical 17": lambda: Categorical(GREY),
    "categorical 256": lambda: Categorical(BYTES),
    "gaussian fixed": lambda: Gaussian(UNIT, scale=0.3),
    "gaussian sigmoid": lambda: Gaussian(UNIT, scale=0.3, link="sigmoid"),
    "gaussian global": lambda: Gaussian(UNIT, variance="global", scale=0.3),
    "gaussian per pixel": lambda: Gaussian(UNIT, variance="per_pixel", scale=0.3),
    "gaussian amortised": lambda: Gaussian(UNIT, variance="amortised", scale=0.3, min_scale=0.01),
    "gaussian amortised sigmoid": lambda: Gaussian(
        UNIT, variance="amortised", scale=0.3, link="sigmoid"
    ),
}


HEADS |= {
    f"covariance {kind}": lambda kind=kind: MultivariateGaussian(UNIT, covariance=kind, scale=0.3)
    for kind in ("diagonal", "full", "tied")
}
HEADS["linear gaussian"] = lambda: LinearGaussian(UNIT, rank=3, scale=0.3)


@pytest.fixture(params=HEADS)
def head(request):
    return HEADS[request.param]()


def test_parameters_with_any_leading_dimensions_give_a_distribution_with_that_batch(head):
    for lead in ((), (2,), (5, 2)):
        dist = head(torch.randn(*lead, *head.param_shape))
        assert dist.batch_shape == lead
        assert dist.event_shape == SHAPE
        assert dist.mean.shape == (*lead, *SHAPE)
        assert dist.log_prob(torch.zeros(SHAPE)).shape == lead


def test_parameters_for_a_mean_give_a_distribution_with_that_mean(head):
    mean = torch.linspace(0.002, 0.998, 12).view(SHAPE)
    params = head.params_for_mean(mean)
    assert params.shape == head.param_shape
    assert_close(head(params).mean, mean, rtol=0, atol=1e-5)


def test_means_at_the_edge_are_clipped_where_a_logit_would_be_infinite(head):
    mean = torch.zeros(SHAPE)
    mean[0, 0] = 1.0
    got = head(head.params_for_mean(mean)).mean
    clipped = (
        mean
        if getattr(head, "link", "sigmoid") == "identity" or isinstance(head, CORRELATED)
        else mean.clamp(0.001, 0.999)
    )
    assert_close(got, clipped, rtol=0, atol=1e-5)


def test_a_gaussian_has_any_real_mean():
    mean = 10 * torch.randn(SHAPE)
    for variance in ("fixed", "global", "per_pixel", "amortised"):
        head = Gaussian(REAL, variance=variance)
        assert_close(head(head.params_for_mean(mean)).mean, mean)


def test_the_mean_is_the_average_of_samples(head):
    dist = head(torch.randn(head.param_shape))
    assert_mean(dist.sample((5000,)), dist.mean.detach())


# -------------------------------------------------------------------------------------- Gaussian
@pytest.mark.parametrize(
    ("variance", "min_scale", "learned"),
    [
        ("fixed", 0.0, 0),
        ("global", 0.0, 1),
        ("global", 0.1, 1),
        ("per_pixel", 0.0, 12),
        ("per_pixel", 0.1, 12),
        ("amortised", 0.0, 0),
        ("amortised", 0.1, 0),
    ],
)
def test_every_variance_starts_at_its_scale_with_its_own_number_of_parameters(
    variance, min_scale, learned
):
    head = Gaussian(UNIT, variance=variance, scale=0.3, min_scale=min_scale)
    assert sum(p.numel() for p in head.parameters()) == learned
    sigma = head(head.params_for_mean(torch.full(SHAPE, 0.5))).log_scale.exp()
    assert_close(sigma, torch.full(SHAPE, 0.3))


def test_a_learned_scale_is_shared_by_all_pixels_or_by_none():
    params = torch.randn(2, *SHAPE)
    for variance, distinct in (("global", 1), ("per_pixel", 12)):
        head = Gaussian(UNIT, variance=variance)
        with torch.no_grad():
            head.raw.copy_(torch.randn(head.raw.shape))
        sigma = head(params).log_scale
        assert len(sigma.unique()) == distinct
        assert_close(sigma[0], sigma[1])


def test_an_amortised_scale_is_the_second_half_of_the_parameters():
    head = Gaussian(UNIT, variance="amortised", scale=0.3, min_scale=0.05)
    params = torch.randn(5, 2, *SHAPE)
    shift = math.log(math.expm1(0.25))
    dist = head(params)
    assert_close(dist.mean, params[:, 0])
    assert_close(dist.log_scale.exp(), 0.05 + torch.nn.functional.softplus(params[:, 1] + shift))


@pytest.mark.parametrize("variance", ["global", "per_pixel"])
def test_a_learned_scale_stays_above_its_floor(variance):
    head = Gaussian(UNIT, variance=variance, scale=0.3, min_scale=0.05)
    with torch.no_grad():
        head.raw.fill_(-1000.0)
    assert_close(head(torch.zeros(SHAPE)).log_scale.exp(), torch.full(SHAPE, 0.05))
    amortised = Gaussian(UNIT, variance="amortised", scale=0.3, min_scale=0.05)
    sigma = amortised(torch.full((2, *SHAPE), -1000.0)).log_scale.exp()
    assert_close(sigma, torch.full(SHAPE, 0.05))


def test_the_gaussian_has_all_its_constants():
    head = Gaussian(UNIT, scale=0.3, link="sigmoid")
    params, x = torch.randn(SHAPE), torch.rand(SHAPE)
    expected = torch.distributions.Normal(params.sigmoid(), 0.3).log_prob(x).sum()
    assert_close(head(params).log_prob(x), expected)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"scale": 0.0}, "scale=0.0"),
        ({"scale": -1.0}, "scale=-1.0"),
        ({"min_scale": 0.1}, "min_scale"),
        ({"variance": "global", "min_scale": -0.1}, "min_scale=-0.1"),
        ({"variance": "global", "min_scale": 1.0, "scale": 1.0}, "min_scale=1.0"),
        ({"variance": "amortised", "min_scale": 2.0, "scale": 1.0}, "min_scale=2.0"),
    ],
)
def test_a_scale_that_cannot_be_is_refused_by_name(options, named):
    with pytest.raises(Incompatible, match=named):
        Gaussian(UNIT, **options)


# --------------------------------------------------------------------------- supports and units
@pytest.mark.parametrize(
    ("likelihood", "field"),
    [
        (Bernoulli, REAL),
        (Bernoulli, LABEL),
        (Categorical, REAL),
        (Categorical, UNIT),
        (Categorical, DEQUANTIZED),
        (Categorical, LABEL),
        (Gaussian, LABEL),
        (partial(LinearGaussian, rank=1), LABEL),
        (partial(MultivariateGaussian, covariance="full"), LABEL),
    ],
    ids=str,
)
def test_data_outside_the_support_are_refused(likelihood, field):
    with pytest.raises(Incompatible, match=r"likelihood.* needs .*; the data are"):
        likelihood(field)


@pytest.mark.parametrize(
    ("head", "bits"),
    [(Bernoulli(BITS), 1.0), (Categorical(BITS), 1.0), (Categorical(BYTES), 8.0)],
    ids=["bernoulli", "categorical 2", "categorical 256"],
)
def test_a_uniform_mass_costs_log2_of_the_levels_in_bits_per_dimension(head, bits):
    scale, offset = head.bits_per_nat()
    nats = -head(torch.zeros(head.param_shape)).log_prob(torch.zeros(SHAPE)).item()
    assert scale * nats + offset == pytest.approx(bits)


def test_a_uniform_density_of_dequantized_bytes_costs_eight_bits_per_dimension():
    """A density of 1 on [0, 1] has 0 nats, and each level a probability of 1/256."""
    scale, offset = Gaussian(DEQUANTIZED).bits_per_nat()
    assert scale * 0.0 + offset == 8.0
    assert scale * 12 * math.log(2) + offset == pytest.approx(9.0)


def test_bits_per_dimension_are_reported_where_one_likelihood_has_them():
    log_p = torch.full((3,), -12 * math.log(2))
    alone = torch.nn.ModuleList([Gaussian(DEQUANTIZED)])
    assert likelihood_metrics(log_p, alone, {})["bpd"] == pytest.approx(9.0)
    for heads in ([Gaussian(REAL)], [Gaussian(DEQUANTIZED), Bernoulli(BITS)]):
        assert "bpd" not in likelihood_metrics(log_p, torch.nn.ModuleList(heads), {})


@pytest.mark.parametrize(
    "head",
    [Bernoulli(UNIT), Bernoulli(GREY), Gaussian(REAL), Gaussian(UNIT), Gaussian(BYTES)],
    ids=["bernoulli unit", "bernoulli grey", "gaussian real", "gaussian unit", "gaussian bytes"],
)
def test_what_is_neither_a_mass_nor_a_dequantized_density_has_no_bits(head):
    assert head.bits_per_nat() is None


def test_numbers_that_compare_with_no_others_come_with_a_caveat():
    assert "cross-entropy" in Bernoulli(GREY).caveat
    assert "cross-entropy" in Bernoulli(UNIT).caveat
    assert "discrete" in Gaussian(BYTES).caveat
    for head in (Bernoulli(BITS), Categorical(GREY), Gaussian(REAL), Gaussian(DEQUANTIZED)):
        assert head.caveat is None
