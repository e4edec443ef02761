"""Pictures of simple solids: rays meet boxes, cylinders and ellipsoids in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from itertools import product
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

Kind = Literal["box", "cylinder", "ellipsoid"]
KINDS: tuple[Kind, ...] = ("box", "cylinder", "ellipsoid")

CHUNK = 32
"""Images that are made together: what they need then stays in the cache."""

NARROW = 1e-6
"""Of a ray that runs along a face, in place of 0."""

NOWHERE = -1e9


@dataclass(frozen=True)
class Solids:
    """P solids of each of M scenes, whose kinds are the same in all: of what lacks one, it is empty.

    Args:
        counts: how many boxes, cylinders and ellipsoids there are, in this order.
        centre: `[M, P, 3]`: to the right, up, and to the front of who stands at azimuth 0.
        axes: own axes as rows, `[M, P, 3, 3]`, orthonormal; a cylinder is one about its first.
        half: half of the sizes along the own axes, `[M, P, 3]`, positive.
        colour: red, green and blue in [0, 1], `[M, P, 3]`.
        there: 1 of those that there are, else 0, `[M, P]`.
    """

    counts: tuple[int, int, int]
    centre: Tensor
    axes: Tensor
    half: Tensor
    colour: Tensor
    there: Tensor

    def of(self, scenes: Tensor) -> Solids:
        """Those of some scenes `[B]`."""
        tensors = [getattr(self, f.name) for f in fields(self)[1:]]
        return Solids(self.counts, *(t.index_select(0, scenes) for t in tensors))

    def to(self, device: torch.device) -> Solids:
        """The same on another device."""
        tensors = [getattr(self, f.name) for f in fields(self)[1:]]
        return Solids(self.counts, *(t.to(device) for t in tensors))


@dataclass(frozen=True)
class Solid:
    """One of the solids of a scene, as `Solids` holds them.

    Args:
        tilt: the angle by which it leans back; its axes are then those to the right, up and to the front.
        upright: whether its own axes are up, to the front and to the right, as a standing cylinder's.
    """

    kind: Kind
    centre: Sequence[float]
    half: Sequence[float]
    colour: Sequence[float]
    tilt: float = 0.0
    upright: bool = False

    @property
    def axes(self) -> list[list[float]]:
        """Its own, as rows."""
        if self.upright:
            return [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
        sin, cos = math.sin(self.tilt), math.cos(self.tilt)
        return [[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]]

    @property
    def reach(self) -> float:
        """The distance from 0 of the furthest corner of its box."""
        corners = product(*((-h, h) for h in self.half))
        own = torch.tensor([*corners]) @ torch.tensor(self.axes)
        return (own + torch.tensor([*self.centre])).norm(dim=1).max().item()


NONE = Solid("box", (0, 0, 0), (1, 1, 1), (0, 0, 0))
"""In the place of one that a scene lacks."""


def stacked(scenes: Sequence[Sequence[Solid]]) -> Solids:
    """Scenes of any numbers of solids."""
    each = [[[s for s in scene if s.kind == kind] for kind in KINDS] for scene in scenes]
    boxes, cylinders, ellipsoids = (max(len(one[k]) for one in each) for k in range(len(KINDS)))
    counts = (boxes, cylinders, ellipsoids)
    filled = [[_filled(s, n) for s, n in zip(one, counts, strict=True)] for one in each]
    rows = [[solid for solids in one for solid in solids] for one in filled]

    def of(read: Callable[[Solid], Any]) -> Tensor:
        return torch.tensor([[read(solid) for solid in row] for row in rows], dtype=torch.float32)

    centre, axes, half = of(lambda s: [*s.centre]), of(lambda s: s.axes), of(lambda s: [*s.half])
    return Solids(
        counts, centre, axes, half, of(lambda s: [*s.colour]), of(lambda s: s is not NONE)
    )


def _filled(solids: list[Solid], count: int) -> list[Solid]:
    return solids + [NONE] * (count - len(solids))


@dataclass(frozen=True)
class Camera:
    """Parallel rays through the points origin + x · across + y · up of an image whose x and y run from
    -1 to 1: `[B, 3]` each; `towards` is where the camera is."""

    across: Tensor
    up: Tensor
    origin: Tensor
    towards: Tensor

    @classmethod
    def at(cls, azimuth: Tensor, elevation: Tensor, plane: Tensor | None = None) -> Camera:
        """Which turns about what is at 0.

        Args:
            azimuth: in radians, `[B]`, counted to the right of who looks from the front.
            elevation: in radians, `[B]`.
            plane: the affine map from the image's points to the object's plane, `[B, 2, 3]`.
        """
        sin, cos, none = azimuth.sin(), azimuth.cos(), torch.zeros_like(azimuth)
        right = torch.stack([cos, none, -sin], -1)
        towards = torch.stack([sin * elevation.cos(), elevation.sin(), cos * elevation.cos()], -1)
        up = torch.linalg.cross(towards, right)
        if plane is None:
            return cls(right, up, torch.zeros_like(up), towards)
        across, above, origin = torch.stack([right, up], -1).matmul(plane).unbind(-1)
        return cls(across, above, origin, towards)


def lit(light: Tensor, camera: Camera, height: float = 0.4) -> Tensor:
    """The direction `[B, 3]` to a light at an azimuth `[B]` from the camera, above it."""
    right = normalize(camera.across, dim=-1)
    above = normalize(camera.up, dim=-1)
    sin, cos = light.sin().unsqueeze(-1), light.cos().unsqueeze(-1)
    return normalize(sin * right + height * above + cos * camera.towards, dim=-1)


def pictures(
    solids: Solids, camera: Camera, light: Tensor, size: int, ambient: float = 0.35
) -> tuple[Tensor, Tensor]:
    """Images `[B, 3, size, size]` on white, and masks `[B, 1, size, size]`."""
    image, nearest = views(solids, camera, light, size, ambient)
    mask = nearest > NOWHERE
    return torch.where(mask, image, 1.0), mask.to(image)


def views(
    solids: Solids, camera: Camera, light: Tensor, size: int, ambient: float = 0.35
) -> tuple[Tensor, Tensor]:
    """Images `[B, 3, size, size]`, and how far towards the camera from 0 what each pixel shows is,
    `[B, 1, size, size]`: `NOWHERE` where it shows nothing, and has no colour that means anything.

    Colours are those of matt surfaces: colour · (ambient + (1 - ambient) max(0, ⟨normal, light⟩)).

    Args:
        solids: of B scenes.
        light: where it comes from, `[B, 3]`, of length 1.
        ambient: the share of light that comes from everywhere.

    References:
        Photometria (Lambert 1760)
    """
    basis = _basis(size, light)
    parts = []
    for rows in torch.arange(len(light), device=light.device).split(CHUNK):
        some = Camera(*(getattr(camera, f.name)[rows] for f in fields(camera)))
        parts.append(_drawn(solids.of(rows), some, light[rows], basis, ambient))
    image, nearest = (torch.cat(each) for each in zip(*parts, strict=True))
    return image.unflatten(-1, (size, size)), nearest.unflatten(-1, (size, size)).unsqueeze(1)


def _basis(size: int, like: Tensor) -> Tensor:
    """x², xy, y², x, y and 1 of all pixels' middles, `[6, size²]`."""
    step = (2 * torch.arange(size, device=like.device) + 1).to(like) / size - 1
    x, y = step.repeat(size), -step.repeat_interleave(size)
    return torch.stack([x * x, x * y, y * y, x, y, torch.ones_like(x)])


def _drawn(
    solids: Solids, camera: Camera, light: Tensor, basis: Tensor, ambient: float
) -> tuple[Tensor, Tensor]:
    q = _local(solids, camera)
    depth = _depth(solids.counts, q, basis)
    nearest, first = depth.max(1)
    falling = (solids.axes @ light[:, None, :, None]).squeeze(-1) / solids.half
    cosine = _cosine(solids, q, falling, nearest, first, basis)
    shade = ambient + (1 - ambient) * cosine.clamp_min(0)
    colour = shade.unsqueeze(1) * _of(solids.colour, first)
    return colour, torch.where(nearest > NOWHERE / 2, nearest, NOWHERE)


def _local(solids: Solids, camera: Camera) -> Tensor:
    """A ray's point x · a + y · b + c + t · w in units of each solid's half sizes along its own axes:
    a, b, c and w `[B, P, 3, 4]`; NaN, which no ray meets, of those that there are not."""
    start = camera.origin.unsqueeze(1) - solids.centre
    rest = [v.unsqueeze(1).expand_as(start) for v in (camera.across, camera.up, camera.towards)]
    vectors = torch.stack([rest[0], rest[1], start, rest[2]], -1)
    half = torch.where(solids.there.bool().unsqueeze(-1), solids.half, torch.nan)
    return solids.axes @ vectors / half.unsqueeze(-1)


def _depth(counts: tuple[int, int, int], q: Tensor, basis: Tensor) -> Tensor:
    """How far in front each solid begins, `[B, P, HW]`; `NOWHERE` beside it."""
    boxes, cylinders, balls = q.split(counts, 1)
    found = []
    if counts[0]:
        found.append(_met(*_slabs(boxes, basis)))
    if counts[1]:
        front, back = _slabs(cylinders[..., :1, :], basis)
        middle, square = _quadric(cylinders[..., 1:, :], basis)
        root = torch.where(square > 0, square, torch.nan).sqrt()
        found.append(_met(torch.minimum(front, middle + root), torch.maximum(back, middle - root)))
    if counts[2]:
        middle, square = _quadric(balls, basis)
        found.append(torch.where(square > 0, middle + square.clamp_min(0).sqrt(), NOWHERE))
    return torch.cat(found, 1)


def _met(front: Tensor, back: Tensor) -> Tensor:
    return torch.where(front >= back, front, NOWHERE)


def _slabs(q: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
    """Where rays are between -1 and 1 of each axis: their first and last t, `[B, P, HW]` each."""
    w = q[..., 3:]
    w = torch.where(w.abs() < NARROW, NARROW, w)
    middle = (-q[..., :3] / w) @ basis[3:]
    reach = 1 / w.abs()
    return (middle + reach).amin(2), (middle - reach).amax(2)


def _quadric(q: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
    """The roots of |x a + y b + c + t w|² = 1: m ± √s of m and s, `[B, P, HW]` each; s < 0 of none."""
    a, b, c, w = q.unbind(-1)
    ww = (w * w).sum(-1).clamp_min(NARROW)
    aw, bw, cw = ((v * w).sum(-1) / ww for v in (a, b, c))

    def rest(one: Tensor, other: Tensor, in_one: Tensor, in_other: Tensor) -> Tensor:
        return in_one * in_other - (one * other).sum(-1) / ww

    square = torch.stack(
        [
            rest(a, a, aw, aw),
            2 * rest(a, b, aw, bw),
            rest(b, b, bw, bw),
            2 * rest(a, c, aw, cw),
            2 * rest(b, c, bw, cw),
            rest(c, c, cw, cw) + 1 / ww,
        ],
        -1,
    )
    return -torch.stack([aw, bw, cw], -1) @ basis[3:], square @ basis


def _cosine(
    solids: Solids, q: Tensor, falling: Tensor, depth: Tensor, first: Tensor, basis: Tensor
) -> Tensor:
    """Between the light and the normal of the surface that each pixel sees, `[B, HW]`.

    A surface f(p) = 1 of a point p along the own axes, in units of the half sizes h, has the normal
    ∇f(p) / h.

    Args:
        falling: the light's direction along the own axes, over h, `[B, P, 3]`.
    """
    own, light, scale = _of(q.flatten(2), first), _of(falling, first), _of(1 / solids.half, first)
    rays = torch.cat([basis[3:].expand(len(depth), -1, -1), depth.unsqueeze(1)], 1).unsqueeze(1)
    point = (own.unflatten(1, (3, 4)) * rays).sum(2)
    n_boxes, n_cylinders, _ = solids.counts
    gradient = point
    if n_cylinders:
        cap = point[:, :1].square() >= point[:, 1:].square().sum(1, keepdim=True)
        along = torch.cat([cap, ~cap, ~cap], 1) * point
        gradient = torch.where(first.unsqueeze(1) < n_boxes + n_cylinders, along, gradient)
    if n_boxes:
        face = (point.abs() >= point.abs().amax(1, keepdim=True)) * point
        gradient = torch.where(first.unsqueeze(1) < n_boxes, face, gradient)
    length = (gradient * scale).square().sum(1).clamp_min(NARROW).sqrt()
    return (gradient * light).sum(1) / length


def _of(values: Tensor, chosen: Tensor) -> Tensor:
    """Values `[B, P, n]` of chosen solids `[B, HW]`, `[B, n, HW]`."""
    index = chosen.unsqueeze(1).expand(-1, values.shape[-1], -1)
    return values.mT.gather(2, index)
