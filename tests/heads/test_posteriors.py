"""Posterior heads: each number of the encoder means something of its own."""

import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal
from torch.testing import assert_close

from vaebench.data import Field
from vaebench.heads.posteriors import FullGaussian, Gaussian, PointMass

WIDTHS = [1, 2, 4]
HEADS = [Gaussian, FullGaussian, PointMass]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", HEADS)
def test_parameters_with_any_leading_dimensions_give_a_distribution_with_that_batch(kind, width):
    head = kind(Field((width,)))
    for lead in ((), (2,), (5, 2)):
        dist = head(torch.randn(*lead, *head.param_shape))
        assert dist.batch_shape == lead
        assert dist.event_shape == (width,)
        assert dist.mean.shape == (*lead, width)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_diagonal_gaussian_takes_means_then_logarithms_of_deviations(width):
    params, z = torch.randn(3, 2 * width), torch.randn(3, width)
    expected = Independent(Normal(params[:, :width], params[:, width:].exp()), 1)
    assert_close(Gaussian(Field((width,)))(params).log_prob(z), expected.log_prob(z))


@pytest.mark.parametrize("width", WIDTHS)
def test_the_full_gaussian_has_d_plus_half_d_times_d_plus_one_parameters(width):
    assert FullGaussian(Field((width,))).param_shape == (width + width * (width + 1) // 2,)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_full_gaussian_has_covariance_l_lt_with_l_lower_triangular(width):
    head = FullGaussian(Field((width,)))
    dist = head(torch.randn(3, *head.param_shape, dtype=torch.float64))
    tril = dist.scale_tril
    assert_close(tril, tril.tril())
    assert (tril.diagonal(dim1=-2, dim2=-1) > 0).all()
    z = torch.randn(3, width, dtype=torch.float64)
    expected = MultivariateNormal(dist.mean, covariance_matrix=tril @ tril.mT)
    assert_close(dist.log_prob(z), expected.log_prob(z))


@pytest.mark.parametrize("width", WIDTHS)
def test_each_number_of_the_full_gaussian_moves_one_entry_of_its_mean_or_factor(width):
    """The Jacobian of (μ, L) is a permutation, but for the exponential of the diagonal."""
    head = FullGaussian(Field((width,)))
    rows, columns = torch.tril_indices(width, width)

    def entries(params):
        dist = head(params)
        return torch.cat([dist.mean, dist.scale_tril[rows, columns]])

    jacobian = torch.autograd.functional.jacobian(entries, torch.randn(head.param_shape))
    moved = jacobian != 0
    assert (moved.sum(0) == 1).all()
    assert (moved.sum(1) == 1).all()


@pytest.mark.parametrize("kind", [Gaussian, FullGaussian])
@pytest.mark.parametrize("width", WIDTHS)
def test_each_number_changes_the_density(kind, width):
    head = kind(Field((width,)))
    params = torch.randn(head.param_shape, requires_grad=True)
    (gradient,) = torch.autograd.grad(head(params).log_prob(torch.randn(width)), params)
    assert (gradient != 0).all()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_full_gaussian_without_correlations_is_the_diagonal_one(width):
    field, z = Field((width,)), torch.randn(3, width)
    full, diagonal = FullGaussian(field), Gaussian(field)
    params = torch.randn(3, 2 * width)
    padded = torch.cat([params, torch.zeros(3, full.param_shape[0] - 2 * width)], -1)
    assert_close(full(padded).log_prob(z), diagonal(params).log_prob(z))


def test_a_point_mass_is_at_its_parameters():
    params = torch.randn(3, 2)
    assert_close(PointMass(Field((2,)))(params).mean, params)
