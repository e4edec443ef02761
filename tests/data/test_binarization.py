"""Bernoulli bits from 16-bit thresholds: fast, and exact in every lane of a 64-bit word."""

import pytest
import torch

from tests.theorems import assert_mean
from vaebench.data.protocol import bernoulli_from_thresholds, thresholds

WORDS, LANES = 100_000, 4


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("p", [1 / 255, 0.1, 0.25, 0.5, 0.75, 0.9, 254 / 255])
def test_every_lane_of_a_word_has_the_probability_asked_for(p):
    """`random_()` without bounds leaves sign bits 0, which spoils one lane in four."""
    bits = bernoulli_from_thresholds(thresholds(torch.full((WORDS, LANES), p)), generator())
    assert_mean(bits, p)


def test_lanes_and_words_are_independent():
    """Products of centred bits, of one word and of its neighbour, average to 0."""
    bits = bernoulli_from_thresholds(thresholds(torch.full((WORDS, LANES), 0.5)), generator())
    centred = bits - 0.5
    own = [centred[:, i] * centred[:, j] for i in range(LANES) for j in range(i)]
    neighbour = centred[1:] * centred[:-1]
    assert_mean(torch.stack(own, 1), 0.0)
    assert_mean(neighbour, 0.0)


def test_a_probability_of_zero_is_exact():
    assert bernoulli_from_thresholds(thresholds(torch.zeros(10**6)), generator()).sum() == 0


def test_a_probability_of_one_fails_no_oftener_than_once_in_65536():
    n = 10**7
    misses = n - bernoulli_from_thresholds(thresholds(torch.ones(n)), generator()).sum().item()
    assert abs(misses - n / 65536) < 4.5 * (n / 65536) ** 0.5


def test_probabilities_of_grey_levels_are_kept_to_sixteen_bits():
    """To the nearest: half a step away at most, but for 1, which would need a bit more."""
    p = torch.arange(256) / 255
    off = ((thresholds(p).double() + 32768) / 65536 - p.double()).abs()
    assert off[:-1].max() <= 2**-17 + 1e-9
    assert off[-1] == 2**-16


@pytest.mark.parametrize("shape", [(1,), (3,), (2, 3), (5, 1, 3, 3)], ids=str)
def test_any_number_of_bits_can_be_drawn(shape):
    bits = bernoulli_from_thresholds(thresholds(torch.full(shape, 0.5)), generator())
    assert bits.shape == shape
    assert bits.dtype is torch.float32
    assert ((bits == 0) | (bits == 1)).all()


def test_bits_are_a_function_of_the_generator_alone():
    t = thresholds(torch.full((100,), 0.5))
    before = torch.get_rng_state()
    assert torch.equal(
        bernoulli_from_thresholds(t, generator()), bernoulli_from_thresholds(t, generator())
    )
    assert not torch.equal(
        bernoulli_from_thresholds(t, generator()), bernoulli_from_thresholds(t, generator(1))
    )
    assert torch.equal(torch.get_rng_state(), before)
