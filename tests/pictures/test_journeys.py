"""Ways through latent space are the ones they say they are."""

import math

import pytest
import torch
from torch.testing import assert_close

from vaebench.pictures.journeys import linear, spherical

T = torch.linspace(0, 1, 5)


def pair(n: int = 4, dim: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, dim, generator=generator), torch.randn(n, dim, generator=generator)


@pytest.mark.parametrize("way", [linear, spherical])
def test_a_way_begins_at_one_end_and_stops_at_the_other(way):
    a, b = pair()
    found = way(a, b, T)
    assert found.shape == (4, 5, 3)
    assert_close(found[:, 0], a)
    assert_close(found[:, -1], b)


def test_the_straight_way_keeps_its_pace():
    a, b = pair()
    steps = linear(a, b, T).diff(dim=1)
    assert_close(steps, ((b - a) / 4).unsqueeze(1).expand_as(steps))


def test_the_spherical_way_stays_on_the_sphere_and_turns_evenly():
    a, b = pair()
    a, b = a / a.norm(dim=-1, keepdim=True), b / b.norm(dim=-1, keepdim=True)
    found = spherical(a, b, T)
    assert_close(found.norm(dim=-1), torch.ones(4, 5))
    angles = (found[:, 1:] * found[:, :-1]).sum(-1).acos()
    assert_close(angles, angles[:, :1].expand_as(angles))
    assert_close(angles.sum(1), (a * b).sum(-1).acos())


def test_a_quarter_turn_passes_the_middle_at_full_length():
    a, b = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    half = spherical(a, b, torch.tensor([0.5]))
    assert_close(half.squeeze(), torch.full((2,), math.sqrt(0.5)))
    assert linear(a, b, torch.tensor([0.5])).norm() < 0.8


def test_parallel_ends_are_joined_straight():
    a = torch.tensor([[1.0, 2.0]])
    for b in (3 * a, a, -a):
        assert_close(spherical(a, b, T), linear(a, b, T))
