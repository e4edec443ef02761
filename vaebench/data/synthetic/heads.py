"""Heads: ellipsoids that turn under a light."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from vaebench.data.protocol import Split
from vaebench.data.seeds import SHAPES, derived
from vaebench.data.spec import Support
from vaebench.data.synthetic.factors import NONE, Factors, counted, spread
from vaebench.data.synthetic.solids import Camera, Solids, lit, pictures
from vaebench.errors import DataError

FACTORS = ("identity", "azimuth", "elevation", "light")
AZIMUTH, ELEVATION, LIGHT = (math.radians(degrees) for degrees in (75, 25, 80))
"""How far each goes to either side."""

HEIGHT = 0.25
"""Of the light, over the camera."""

SHAPE, TEXTURE = 10, 5
"""Coefficients of a head."""

LARGE = 1.2
"""By which all is enlarged."""

MOST = 2.0
"""Standard deviations that a coefficient is from its mean."""

SMALLEST, LARGEST = 16, 256
"""Pixels that an image is wide."""


def coefficients(identities: int, seed: int) -> Tensor:
    """Shape and texture of heads, independent standard normals that are cut off at `MOST`,
    `[identities, SHAPE + TEXTURE]`: the first heads of more are the same."""
    generator = torch.Generator().manual_seed(derived(seed, SHAPES))
    rows = [
        torch.randn(SHAPE + TEXTURE, generator=generator, dtype=torch.float32)
        for _ in range(identities)
    ]
    return torch.stack(rows).clamp(-MOST, MOST)


def heads(coefficients: Tensor) -> Solids:
    """The ellipsoids of heads of coefficients `[M, 15]`, in grey: shape s is wide, long, deep; how large
    nose, chin, cheeks, eyes and mouth are, how far eyes are apart and how high the hair is; texture is
    the grey of skin, hair, lips, iris and brows."""
    s, grey = coefficients.split([SHAPE, TEXTURE], 1)
    wide, long, deep, nose, chin, cheek, eye, mouth, apart, hair = (0.12 * s).exp().unbind(1)
    skin, top, lip, iris, brow = grey.unbind(1)
    skin, top = 0.72 + 0.1 * skin, 0.22 + 0.1 * top
    lip, iris, brow = 0.4 + 0.08 * lip, 0.1 + 0.05 * iris, 0.15 + 0.06 * brow
    white, none = torch.full_like(wide, 0.95), torch.zeros_like(wide)
    x, z = 0.16 * apart * wide, 0.36 * deep
    parts = [
        ((none, 0.14 * long, none - 0.05), (0.42 * wide, 0.44 * long, 0.46 * deep), skin),
        ((none, -0.12 * long, none + 0.06), (0.36 * wide, 0.50 * long, 0.40 * deep), skin),
        ((none, -0.47 * long, 0.22 * deep), (0.17 * chin, 0.14 * chin, 0.16 * chin), skin),
        ((none, -0.02 * long, 0.43 * deep), (0.05 * nose, 0.17 * nose, 0.09 * nose), skin),
        ((none, -0.12 * long, 0.48 * deep), (0.08 * nose, 0.07 * nose, 0.12 * nose), skin),
        ((none, -0.30 * long, 0.38 * deep), (0.14 * mouth, 0.04 * mouth, 0.09 * mouth), lip),
        ((none, 0.26 * long, none - 0.14), (0.47 * wide, 0.42 * long * hair, 0.47 * deep), top),
        ((none, none - 0.75, none - 0.10), (0.20 * wide, none + 0.35, none + 0.20), skin),
    ]
    for side in (-x, x):
        parts += [
            ((side, 0.10 * long, z), (0.085 * eye, 0.055 * eye, none + 0.09), white),
            ((side, 0.10 * long, z + 0.075), (0.04 * eye, 0.04 * eye, none + 0.03), iris),
            ((side, 0.21 * long, z + 0.03), (0.11 * eye, none + 0.025, none + 0.07), brow),
            (
                (1.3 * side, -0.15 * long, 0.2 * deep),
                (0.15 * cheek, 0.16 * cheek, 0.17 * cheek),
                skin,
            ),
            (
                (2.6 * side / apart, 0.04 * long, none - 0.02),
                (none + 0.05, none + 0.12, none + 0.09),
                skin,
            ),
        ]
    centre, half = (LARGE * torch.stack([torch.stack(p[i], 1) for p in parts], 1) for i in range(2))
    colour = torch.stack([shade for *_, shade in parts], 1).unsqueeze(-1).expand_as(centre)
    axes = torch.eye(3, dtype=torch.float32).expand(*centre.shape, 3)
    return Solids((0, 0, len(parts)), centre, axes, half, colour, torch.ones_like(centre[..., 0]))


class Heads(Factors):
    """Matt heads in grey on white, 64x64 pixels unless said otherwise: who it is, azimuth and elevation
    of the camera, and the azimuth of the light from it.

    They stand where faces of a morphable model stood that cannot be passed on: rendered here at each
    access from ellipsoids, of shape and texture coefficients that are drawn once.

    Args:
        size: height and width of an image.
        grid: how many identities, azimuths, elevations and lights there are, at equal distances.
        data_seed: of the coefficients; the run's seed does not touch the data.
        split, vary: of all `Factors`.

    References:
        Deep Convolutional Inverse Graphics Network (Kulkarni, Whitney, Kohli, Tenenbaum 2015),
        https://arxiv.org/abs/1503.03167
        A 3D Face Model for Pose and Illumination Invariant Face Recognition (Paysan, Knothe, Amberg,
        Romdhani, Vetter 2009), the faces of the paper
    """

    support: ClassVar[Support] = Support.UNIT
    grey_levels: ClassVar[int] = 0
    seen: ClassVar[int] = 2000

    def __init__(
        self,
        *,
        size: int,
        grid: Sequence[int],
        data_seed: int,
        split: Split,
        vary: Mapping[str, int] = NONE,
    ) -> None:
        check_size(size)
        self.counts, self.side, self.data_seed = (
            counted("dataset.grid", grid, FACTORS),
            size,
            data_seed,
        )
        super().__init__(split=split, vary=vary)

    @property
    def levels(self) -> dict[str, int]:
        return self.counts

    @cached_property
    def solids(self) -> Solids:
        """Of every identity."""
        return heads(coefficients(self.counts["identity"], self.data_seed))

    @property
    def ordered(self) -> tuple[str, ...]:
        return FACTORS[1:]

    def render(self, values: Tensor) -> Tensor:
        identity, *angles = values.unbind(1)
        most = (AZIMUTH, ELEVATION, LIGHT)
        levels = [*self.counts.values()][1:]
        azimuth, elevation, light = (
            spread(v, n, -m, m) for v, n, m in zip(angles, levels, most, strict=True)
        )
        camera = Camera.at(azimuth, elevation)
        solids = self.solids.to(values.device).of(identity.long())
        return pictures(solids, camera, lit(light, camera, HEIGHT), self.side)[0][:, :1]

    @property
    def protocol(self) -> dict[str, Any]:
        return super().protocol | {"size": self.side, "data_seed": self.data_seed}


def check_size(size: int) -> None:
    """Refuses images that are too small to show anything, or larger than nets are made for."""
    if not SMALLEST <= size <= LARGEST:
        raise DataError(
            f"dataset.size={size}: from {SMALLEST} to {LARGEST} pixels. Use dataset.size=64."
        )
