"""Every theorem of this folder is checked in float64, from a seed of its own."""

import pytest

from tests.distributions.pairs import Pair
from tests.theorems import in_float64

__all__ = ["in_float64"]


@pytest.fixture
def pair(request) -> Pair:
    """A distribution and torch's own, built when float64 is the default."""
    return request.param()
