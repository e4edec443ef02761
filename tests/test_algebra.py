"""Linear algebra, against what it is a shorter way to."""

import pytest
import torch
from torch.distributions import MultivariateNormal
from torch.nn import functional as F
from torch.testing import assert_close

from vaebench.algebra import inverse_softplus, low_rank_log_prob


def numbers(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("scale", [torch.tensor([0.3]), torch.tensor([0.3, 1.0, 2.0, 0.1, 0.7])])
@pytest.mark.parametrize("rank", [1, 2, 5])
def test_a_low_rank_density_is_that_of_its_covariance(rank, scale):
    w, shift, scale = numbers(5, rank), 3 * numbers(7, 2, 5), scale.double()
    covariance = w @ w.T + scale.square().expand(5).diag()
    expected = MultivariateNormal(torch.zeros(5).double(), covariance).log_prob(shift)
    assert_close(low_rank_log_prob(shift, w, scale), expected, rtol=0, atol=1e-10)


def test_in_float32_little_noise_costs_no_digits():
    """A difference of squares of 1e10 would be off by hundreds of nats."""
    w, z, e = numbers(40, 3), numbers(100, 3), numbers(100, 40)
    shift, scale = (z @ w.T + 1e-4 * e).float(), torch.tensor([1e-4])
    exact = low_rank_log_prob(shift.double(), w.float().double(), scale.double())
    assert_close(low_rank_log_prob(shift, w.float(), scale).double(), exact, rtol=0, atol=0.05)


def test_inverse_softplus_is_its_inverse():
    x = torch.tensor([1e-12, 1e-3, 1.0, 50.0, 1e4], dtype=torch.float64)
    assert_close(F.softplus(inverse_softplus(x)), x)
