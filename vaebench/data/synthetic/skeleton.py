"""The skeleton of a hand: where its 21 joints are at given angles."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

Vector = tuple[float, float, float]


class Finger(NamedTuple):
    """A chain of three bones on a palm, in millimetres and degrees.

    Attributes:
        base: where it begins, from the wrist: towards the thumb, towards the fingers, out of the palm.
        forward: where it points when it is straight.
        inward: where it bends to.
        bones: their lengths.
        limits: least and largest spread, and flexion of each joint.
    """

    base: Vector
    forward: Vector
    inward: Vector
    bones: Vector
    limits: tuple[tuple[float, float], ...]


STRAIGHT, PALM = (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
FLEXION = ((-10.0, 85.0), (0.0, 100.0), (0.0, 65.0))
FINGERS = {
    "thumb": Finger(
        (24, 22, 8), (0.72, 0.62, 0.32), (-0.62, 0.42, 0.58), (42, 32, 26),
        ((-15, 25), (-10, 40), (-5, 50), (-10, 70)),
    ),
    "index": Finger((25, 88, 0), STRAIGHT, PALM, (42, 25, 20), ((-5, 18), *FLEXION)),
    "middle": Finger((3, 92, 2), STRAIGHT, PALM, (47, 28, 21), ((-8, 8), *FLEXION)),
    "ring": Finger((-17, 85, 0), STRAIGHT, PALM, (43, 27, 21), ((-14, 5), *FLEXION)),
    "little": Finger((-35, 74, -3), STRAIGHT, PALM, (34, 19, 18), ((-25, 2), *FLEXION)),
}  # fmt: skip

ANGLES = 4
"""Of each finger: its spread and the flexion of its three joints."""

JOINTS = 1 + 4 * len(FINGERS)
"""The wrist; of each finger its base, two joints and the tip."""

PARENTS = tuple(0 if j % 4 == 1 else j - 1 for j in range(1, JOINTS))
"""Of all joints but the wrist."""

CURL = 0.6
"""Share of a finger's flexion that all have in common."""


def angles(drawn: Tensor) -> Tensor:
    """Angles `[B, 5, 4]` in radians, within their limits, of independent numbers in [0, 1], `[B, 21]`:
    how far the hand is closed, and what each angle adds to that."""
    limits = torch.tensor([finger.limits for finger in FINGERS.values()], device=drawn.device)
    closed, own = drawn[:, :1, None], drawn[:, 1:].unflatten(1, (len(FINGERS), ANGLES))
    flexed = CURL * closed + (1 - CURL) * own[..., 1:]
    share = torch.cat([own[..., :1], flexed], -1)
    low, high = (math.pi / 180 * limits).unbind(-1)
    return low + (high - low) * share


def joints(angles: Tensor) -> Tensor:
    """Places of the joints in the hand's own frame, from the wrist and in millimetres, `[B, 21, 3]`.

    A bone of a finger with spread a, and θ the sum of its flexions so far, points to cos θ (cos a ·
    forward + sin a · sideways) + sin θ · inward.

    Args:
        angles: `[B, 5, 4]`.
    """

    def of(number: int) -> Tensor:
        """One of the vectors of all fingers, `[5, 3]`."""
        return torch.tensor([finger[number] for finger in FINGERS.values()]).to(angles)

    base, bones = of(0), of(3)
    forward = normalize(of(1), dim=-1)
    across = (of(2) * forward).sum(-1, keepdim=True)
    inward = normalize(of(2) - across * forward, dim=-1)
    sideways = torch.linalg.cross(forward, inward)
    spread, bent = angles[..., :1], angles[..., 1:].cumsum(-1).unsqueeze(-1)
    ahead = spread.cos() * forward + spread.sin() * sideways
    bone = bent.cos() * ahead.unsqueeze(-2) + bent.sin() * inward.unsqueeze(-2)
    steps = (bones.unsqueeze(-1) * bone).cumsum(-2)
    chain = base.unsqueeze(-2) + torch.cat([torch.zeros_like(steps[..., :1, :]), steps], -2)
    wrist = torch.zeros_like(chain[:, :1, 0])
    return torch.cat([wrist, chain.flatten(1, 2)], 1)
