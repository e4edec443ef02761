"""Hamiltonian dynamics on named values."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Point = dict[str, Tensor]
"""Values by name, each `[k, B, *event]`."""

Slope = Callable[[Point], Point]
"""∇ log f at a point."""


def leapfrog(z: Point, v: Point, slope: Slope, step: Point | Tensor, n: int) -> tuple[Point, Point]:
    """n leapfrog steps of H(z, v) = -log f(z) + ½ ‖v‖²: volume-preserving and reversible.

    v ← v + ½ ε ∇ log f(z);  z ← z + ε v;  v ← v + ½ ε ∇ log f(z)

    Args:
        z: positions.
        v: momenta, of the same shapes.
        slope: ∇ log f.
        step: ε, by name or the same for all; broadcastable to each value.
        n: how many steps; 0 returns the point as it is.

    References:
        MCMC Using Hamiltonian Dynamics (Neal 2011), https://arxiv.org/abs/1206.1901
    """
    if n == 0:
        return z, v
    size = step if isinstance(step, dict) else dict.fromkeys(z, step)
    v = _kick(v, slope(z), size, 0.5)
    for i in range(n):
        z = {name: value + size[name] * v[name] for name, value in z.items()}
        v = _kick(v, slope(z), size, 1.0 if i < n - 1 else 0.5)
    return z, v


def _kick(v: Point, gradient: Point, size: Point, share: float) -> Point:
    return {name: value + share * size[name] * gradient[name] for name, value in v.items()}
