"""Leapfrog keeps volume, runs backward, and keeps energy to second order in its step."""

import pytest
import torch
from torch.testing import assert_close

from vaebench.inference import leapfrog

STEP = {"a": torch.tensor([0.3, 0.15]), "b": torch.tensor(0.2)}


def log_f(z):
    """Not quadratic, and its two names depend on each other, `[k, B]`."""
    a, b = z["a"], z["b"]
    well = -0.25 * a.pow(4).sum(-1) + (a[..., 0] * a[..., 1]).cos()
    return well - 0.5 * (b[..., 0] - a[..., 0].sin()).square() - 0.1 * b[..., 0].pow(4)


def slope(z):
    return torch.func.grad(lambda point: log_f(point).sum())(z)


def start(k=1, size=1):
    """z and v, each by name."""
    generator = torch.Generator().manual_seed(1)
    shapes = {"a": (k, size, 2), "b": (k, size, 1)}
    return tuple(
        {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
        for _ in range(2)
    )


def energy(z, v):
    """H, `[k, B]`."""
    return 0.5 * sum(x.square().sum(-1) for x in v.values()) - log_f(z)


def flat(z, v):
    return torch.cat([x.flatten() for point in (z, v) for x in point.values()])


def unflat(vector):
    a, b, va, vb = vector.split([2, 1, 2, 1])
    return tuple({"a": x.view(1, 1, 2), "b": y.view(1, 1, 1)} for x, y in ((a, b), (va, vb)))


@pytest.mark.parametrize("n", [1, 2, 10])
@pytest.mark.parametrize("step", [STEP, torch.tensor([0.2])], ids=["by name", "the same"])
def test_volume_is_preserved(n, step):
    """det ∂(z', v') / ∂(z, v) = 1, though the map is far from a shift."""
    jacobian = torch.func.jacrev(lambda at: flat(*leapfrog(*unflat(at), slope, step, n)))
    found = jacobian(flat(*start()))
    assert (found - torch.eye(6)).abs().max() > 0.05
    assert_close(found.det(), torch.tensor(1.0), rtol=0, atol=1e-8)


def test_a_flipped_momentum_leads_back():
    z, v = start(k=3, size=4)
    new_z, new_v = leapfrog(z, v, slope, STEP, 20)
    back_z, back_v = leapfrog(new_z, negated(new_v), slope, STEP, 20)
    assert (flat(new_z, new_v) - flat(z, v)).abs().max() > 0.5
    assert_close(flat(back_z, negated(back_v)), flat(z, v), rtol=0, atol=1e-10)


def negated(v):
    return {name: -x for name, x in v.items()}


@pytest.mark.parametrize("n", [8, 16, 32])
def test_half_the_step_makes_a_quarter_of_the_error_in_energy(n):
    """Over trajectories of the same length, root mean square over where they start."""
    coarse, fine = energy_error(n), energy_error(2 * n)
    assert coarse > 1e-5
    assert 3 < coarse / fine < 5


def energy_error(n):
    z, v = start(k=10, size=20)
    step = {name: 4 * size / n for name, size in STEP.items()}
    change = energy(*leapfrog(z, v, slope, step, n)) - energy(z, v)
    return change.square().mean().sqrt()


def test_a_standard_normal_turns_position_into_momentum():
    """z(t) = z cos t + v sin t: the slope is ∇ log f, not its negative."""
    z, v = ({"z": torch.randn(2, 3, 1)} for _ in range(2))
    n, t = 1000, 1.3
    new_z, new_v = leapfrog(z, v, lambda at: {"z": -at["z"]}, torch.tensor(t / n), n)
    t = torch.tensor(t)
    assert_close(new_z["z"], z["z"] * t.cos() + v["z"] * t.sin(), rtol=0, atol=1e-5)
    assert_close(new_v["z"], v["z"] * t.cos() - z["z"] * t.sin(), rtol=0, atol=1e-5)


def test_no_step_changes_nothing_and_asks_for_no_slope():
    z, v = start()
    assert leapfrog(z, v, None, STEP, 0) == (z, v)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_so_many_steps_take_one_slope_more(n):
    calls = []
    z, v = start()
    leapfrog(z, v, lambda at: calls.append(at) or slope(at), STEP, n)
    assert len(calls) == n + 1


def test_many_steps_are_as_many_single_ones():
    z, v = start(k=2, size=3)
    many, one = leapfrog(z, v, slope, STEP, 6), (z, v)
    for _ in range(6):
        one = leapfrog(*one, slope, STEP, 1)
    assert_close(flat(*many), flat(*one))
