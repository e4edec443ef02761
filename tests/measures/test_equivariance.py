"""Equivariance: of a code that is made of the factors, and of one that knows nothing."""

from __future__ import annotations

import numpy as np
import pytest

from vaebench.measures.disentanglement.base import Coded
from vaebench.measures.disentanglement.equivariance import equivariance

N = 2000


def factors(seed=0):
    return np.random.default_rng(seed).integers(0, 9, (N, 3))


@pytest.mark.parametrize(
    "bend", [lambda v: v, lambda v: -((v - 4.0) ** 3) - 9 * v], ids=["line", "bent"]
)
def test_a_latent_that_is_the_factor_tells_all_and_the_others_nothing(bend):
    v = factors()
    z = np.stack([bend(v[:, 2]), np.random.default_rng(1).normal(size=N), bend(v[:, 0])], 1)
    latent, own, others = equivariance(Coded(z, v), 0)
    assert latent == 2
    assert own > 0.99
    assert others < 0.02


def test_a_factor_in_two_latents_is_half_in_its_own_and_the_rest_in_the_other():
    v, rng = factors(), np.random.default_rng(2)
    noise = rng.normal(size=N) * v[:, 0].std()
    z = np.stack([v[:, 0] + noise, v[:, 0] - noise], 1)
    _, own, others = equivariance(Coded(z, v), 0)
    assert own == pytest.approx(0.5, abs=0.05)
    assert others == pytest.approx(0.5, abs=0.05)


def test_noise_tells_nothing_and_one_latent_leaves_no_others():
    v = factors()
    z = np.random.default_rng(3).normal(size=(N, 5))
    _, own, others = equivariance(Coded(z, v), 1)
    assert own < 0.02
    assert others < 0.05
    assert equivariance(Coded(z[:, :1], v), 1)[2] == 0.0


def test_a_latent_that_is_given_to_a_factor_is_its_own_whatever_it_tells():
    v = factors()
    z = np.stack([np.random.default_rng(4).normal(size=N), v[:, 0], v[:, 0]], 1)
    latent, own, others = equivariance(Coded(z, v), 0, (0,))
    assert latent in (1, 2)
    assert own < 0.02
    assert others > 0.99
    assert equivariance(Coded(z, v), 0, (1, 2))[1:] == pytest.approx((1.0, 0.0), abs=0.02)
