"""Randomness comes from the noise that is passed in, and from nowhere else."""

import pytest
import torch
from torch.testing import assert_close

from tests.distributions.pairs import ALL, over
from vaebench.distributions import DiagNormal, Noise


def seeded(seed: int = 5) -> Noise:
    return Noise(torch.Generator().manual_seed(seed))


@over(ALL)
def test_the_same_generator_gives_the_same_draws_and_another_gives_others(pair):
    first = pair.ours.sample((50,), seeded())
    assert_close(pair.ours.sample((50,), seeded()), first, rtol=0, atol=0)
    assert not torch.equal(pair.ours.sample((50,), seeded(6)), first)


@over(ALL)
def test_successive_draws_from_one_generator_differ(pair):
    noise = seeded()
    assert not torch.equal(pair.ours.sample((50,), noise), pair.ours.sample((50,), noise))


@over(ALL)
def test_an_own_generator_leaves_the_global_one_untouched(pair):
    before = torch.get_rng_state()
    pair.ours.sample((3,), seeded())
    pair.ours.rsample_and_log_prob((3,), seeded())
    assert torch.equal(torch.get_rng_state(), before)


@over(ALL)
def test_an_own_generator_leaves_those_of_other_devices_untouched(pair, monkeypatch):
    """`torch.manual_seed` seeds every device, whichever state is put back afterwards."""
    seeded_devices: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded_devices.append)
    pair.ours.sample((3,), seeded())
    assert seeded_devices == []


@over(ALL)
def test_draws_without_a_generator_follow_the_global_seed(pair):
    torch.manual_seed(3)
    first = pair.ours.sample((50,))
    second = pair.ours.sample((50,))
    torch.manual_seed(3)
    assert torch.equal(pair.ours.sample((50,)), first)
    assert not torch.equal(first, second)


@over(ALL)
def test_the_state_of_the_global_generator_does_not_matter_to_an_own_one(pair):
    torch.manual_seed(1)
    first = pair.ours.sample((50,), seeded())
    torch.manual_seed(2)
    assert torch.equal(pair.ours.sample((50,), seeded()), first)


def test_sample_carries_no_gradient():
    loc = torch.zeros(2, requires_grad=True)
    dist = DiagNormal(loc, torch.zeros(2))
    assert not dist.sample((3,)).requires_grad
    assert dist.rsample((3,), Noise()).requires_grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_noise_has_the_dtype_of_what_it_is_like(dtype):
    like = torch.zeros(1, dtype=dtype)
    assert Noise().normal((2,), like).dtype is dtype
    assert Noise().uniform((2,), like).dtype is dtype
