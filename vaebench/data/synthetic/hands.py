"""Hands in any pose, from many sides, before many backgrounds."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from vaebench.data.base import Dataset, Part
from vaebench.data.columns import Column, InMemorySplit
from vaebench.data.protocol import Split
from vaebench.data.seeds import SHAPES, derived
from vaebench.data.spec import Field, Spec, Support
from vaebench.data.synthetic.heads import check_size
from vaebench.data.synthetic.skeleton import ANGLES, FINGERS, PARENTS, angles, joints
from vaebench.data.synthetic.solids import NOWHERE, Camera, Solids, lit, views
from vaebench.errors import DataError

MILLIMETRES = 100.0
"""Of one unit of `joints` and `pose`."""

HALF = 115.0
"""Millimetres from the middle of an image to its border."""

MIDDLE = (0.0, 80.0, 10.0)
"""What cameras look at, from the wrist, in millimetres of the hand's frame."""

SIDES = (math.radians(70), math.radians(35), math.radians(40))
"""How far azimuth, elevation and roll of a camera go to either side."""

POSE, VIEW, CONTENT = 1 + ANGLES * len(FINGERS), len(SIDES), 10
"""Numbers in [0, 1] that a hand is made of. Content: how dark and how red the skin is, the light's
azimuth and height, and the colours of the background on the left and on the right."""

DARK, LIGHT, RED = (0.36, 0.22, 0.15), (0.93, 0.80, 0.68), (0.06, -0.04, -0.04)

SWEEP = math.radians(60)
"""How far the light goes to either side of the camera."""

SEEN = 2000
"""Training examples at most that means are taken over."""


class Hands(Dataset):
    """Hands, 32x32 pixels unless said otherwise, in colours before a background.

    A batch holds the image `x`; its `depth`, 0 where no hand is, else the nearer the more; 21 joints as
    `keypoints` in the image, from -1 to 1 to the right and up, and as `joints` from the wrist, in 100 mm
    to the right, up and towards the camera; their `pose`, the same in the hand's own frame; `view`, the
    sine and cosine of azimuth, elevation and roll of the camera; and `content`, what skin, light and
    background look like, in [-1, 1]. All are of one row, of independent uniform numbers that are drawn
    once. They stand where photographs of hands stood that cannot be had: rendered here at each access.

    Args:
        size: height and width of an image.
        examples: how many there are, in all splits together.
        data_seed: of the examples; the run's seed does not touch the data.
        split: which are held out.

    References:
        Cross-modal Deep Variational Hand Pose Estimation (Spurr, Song, Park, Hilliges 2018),
        https://arxiv.org/abs/1803.11404
        Disentangling Latent Hands for Image Synthesis and Pose Estimation (Yang, Yao 2019),
        https://arxiv.org/abs/1812.01002
    """

    millimetres: ClassVar[float] = MILLIMETRES
    """Of one unit of joints."""

    parents: ClassVar[tuple[int, ...]] = PARENTS
    """Of all joints but the first."""

    def __init__(self, *, size: int, examples: int, data_seed: int, split: Split) -> None:
        check_size(size)
        if examples < 1:
            raise DataError(f"dataset.examples={examples}: at least 3. Use dataset.examples=1000.")
        split.check("Hands", official=False)
        self.side, self.data_seed, self.held_out = size, data_seed, split
        self.index = split.indices(examples)
        generator = torch.Generator().manual_seed(derived(data_seed, SHAPES))
        width = POSE + VIEW + CONTENT
        self.rows = torch.rand(examples, width, generator=generator, dtype=torch.float32)

    @cached_property
    def spec(self) -> Spec:
        train = self.split("train")
        means = train.first(min(SEEN, len(train))).means()
        images = {n: Support.UNIT if n in ("x", "depth") else Support.REAL for n in means}
        fields = {n: Field(tuple(m.shape), images[n], 0, m) for n, m in means.items()}
        return Spec(fields, len(train))

    def split(self, part: Part) -> InMemorySplit:
        return InMemorySplit({"x": Column(self.rows, self.made, self.index[part])})

    def made(self, rows: Tensor, generator: torch.Generator | None) -> dict[str, Tensor]:
        """All names of a batch of rows `[B, 34]`."""
        drawn, sides, content = rows.split([POSE, VIEW, CONTENT], 1)
        turns = (2 * sides - 1) * rows.new_tensor(SIDES)
        camera = rolled(turns)
        pose = joints(angles(drawn))
        placed = (pose - rows.new_tensor(MIDDLE)) / HALF
        seen = placed @ _frame(camera)
        image, depth = self._drawn(placed, camera, content)
        return {
            "x": image,
            "depth": depth,
            "keypoints": seen[..., :2],
            "joints": (seen - seen[:, :1]) * HALF / MILLIMETRES,
            "pose": pose / MILLIMETRES,
            "view": torch.cat([turns.sin(), turns.cos()], -1),
            "content": 2 * content - 1,
        }

    def _drawn(self, placed: Tensor, camera: Camera, content: Tensor) -> tuple[Tensor, Tensor]:
        """Images `[B, 3, H, W]` and depths `[B, 1, H, W]` of joints `[B, 21, 3]`."""
        dark, red, azimuth, height, *_ = content.unbind(1)
        light = lit(SWEEP * (2 * azimuth - 1), camera)
        light = normalize(light + (height - 0.5).unsqueeze(-1) * camera.up, dim=-1)
        least, most, more = (content.new_tensor(colour) for colour in (DARK, LIGHT, RED))
        skin = torch.lerp(most, least, dark.unsqueeze(-1)) + red.unsqueeze(-1) * more
        image, nearest = views(solids(placed, skin), camera, light, self.side)
        left, right = content[:, 4:, None, None].split(3, 1)
        across = torch.linspace(0, 1, self.side, device=content.device).expand(self.side, -1)
        hand = nearest > NOWHERE
        return (
            torch.where(hand, image, torch.lerp(left, right, across)),
            torch.where(hand, ((1 + nearest) / 2).clamp(0, 1), 0.0),
        )

    @property
    def protocol(self) -> dict[str, Any]:
        own = {"size": self.side, "data_seed": self.data_seed}
        return self.held_out.record(self.index) | own


def rolled(turns: Tensor) -> Camera:
    """Cameras at azimuths and elevations, turned about where they look by rolls, `[B, 3]`."""
    azimuth, elevation, roll = turns.unbind(-1)
    camera = Camera.at(azimuth, elevation)
    sin, cos = roll.sin().unsqueeze(-1), roll.cos().unsqueeze(-1)
    across = cos * camera.across + sin * camera.up
    return Camera(across, cos * camera.up - sin * camera.across, camera.origin, camera.towards)


def _frame(camera: Camera) -> Tensor:
    """A point's places to the right, up and towards a camera are its product with this, `[B, 3, 3]`."""
    return torch.stack([camera.across, camera.up, camera.towards], -1)


def turned(pose: Tensor, view: Tensor) -> Tensor:
    """`joints` of a `pose` `[B, 21, 3]` from a `view` `[B, 6]`, whose sines and cosines need not be of an
    angle."""
    sine, cosine = view.unflatten(-1, (2, -1)).unbind(-2)
    return pose @ _frame(rolled(torch.atan2(sine, cosine)))


def keypoints(joints: Tensor, wrist: Tensor) -> Tensor:
    """Places in the image `[B, 21, 2]` of joints `[B, 21, 3]`, of hands whose wrist is at `[B, 2]`."""
    return wrist.unsqueeze(1) + joints[..., :2] * (MILLIMETRES / HALF)


THICK = (12.0, 10.0, 9.0, 8.0)
"""Millimetres: half of the width of a bone in the palm, and of the three of a finger."""

FLESH = (36.0, 44.0, 13.0)
"""Half of the sizes of the palm."""


def solids(placed: Tensor, skin: Tensor) -> Solids:
    """Ellipsoids about the bones and the palm, of joints `[B, 21, 3]` and skins `[B, 3]`."""
    child, parent = placed[:, 1:], placed[:, list(PARENTS)]
    bone = child - parent
    length, along = bone.norm(dim=-1, keepdim=True), normalize(bone, dim=-1)
    aside = normalize(
        torch.linalg.cross(along, placed.new_tensor([0.1, 0.2, 1.0]).expand_as(along)), dim=-1
    )
    axes = torch.stack([along, aside, torch.linalg.cross(along, aside)], -2)
    wide = placed.new_tensor(THICK).repeat(len(FINGERS)).view(-1, 1).expand_as(length) / HALF
    half = torch.cat([length / 2 + 0.7 * wide, wide, wide], -1)
    palm = placed[:, [0, 5, 9, 13, 17]].mean(1, keepdim=True)
    flat = torch.eye(3).to(placed).expand(len(placed), 1, 3, 3)
    flesh = (placed.new_tensor(FLESH) / HALF).expand_as(palm)
    centre = torch.cat([(child + parent) / 2, palm], 1)
    return Solids(
        (0, 0, centre.shape[1]),
        centre,
        torch.cat([axes, flat], 1),
        torch.cat([half, flesh], 1),
        skin.unsqueeze(1).expand_as(centre),
        torch.ones_like(centre[..., 0]),
    )
