"""Chairs, tables and cars from all sides, with masks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from vaebench.data.columns import InMemorySplit
from vaebench.data.protocol import Split
from vaebench.data.spec import Batch, Field, Support
from vaebench.data.synthetic.factors import NONE, Factors, counted, spread
from vaebench.data.synthetic.furniture import MAKES, Thing, things
from vaebench.data.synthetic.heads import check_size
from vaebench.data.synthetic.solids import Camera, Solids, lit, pictures, stacked
from vaebench.data.synthetic.transforms import MOST, tinted, unplaced
from vaebench.errors import DataError

FACTORS = ("model", "azimuth", "elevation")
LOW, HIGH = math.radians(10), math.radians(40)
"""From where a camera looks down."""

LIGHT, HEIGHT = math.radians(30), 0.8
"""Of the light, from the camera and over it."""


class Chairs(Factors):
    """Chairs, or tables and cars too, in colours on white, 64x64 pixels unless said otherwise.

    A batch holds the image `x`, its segmentation `mask`, `view` = (sin, cos) of azimuth and elevation,
    and `transform`, eight numbers of what was done to the picture at this access (`transforms`); and,
    as labels, the model and the two angles. They stand where renderings of models stood that cannot be
    passed on: rendered here at each access. Every second model is the one before it with a part more.

    Args:
        size: height and width of an image.
        kinds: of chair, table, car, in turn.
        grid: how many models, azimuths, all around, and elevations there are.
        transforms: share of the largest transform that is drawn from, uniformly; 0: none.
        few: how many models, the last ones, are trained on from few sides.
        sides: azimuths that those are trained on from, at equal distances.
        data_seed: of the models; the run's seed does not touch the data.
        split, vary: of all `Factors`.

    Raises:
        DataError: a kind, size or share that there is not, or no model that is seen from all sides.

    References:
        Learning to Generate Chairs, Tables and Cars with Convolutional Networks (Dosovitskiy,
        Springenberg, Tatarchenko, Brox 2017), https://arxiv.org/abs/1411.5928
        Seeing 3D Chairs (Aubry, Maturana, Efros, Russell, Sivic 2014), the chairs of the paper
    """

    support: ClassVar[Support] = Support.UNIT
    grey_levels: ClassVar[int] = 0
    seen: ClassVar[int] = 2000

    def __init__(
        self,
        *,
        size: int,
        kinds: Sequence[Thing],
        grid: Sequence[int],
        transforms: float,
        few: int,
        sides: int,
        data_seed: int,
        split: Split,
        vary: Mapping[str, int] = NONE,
    ) -> None:
        check_size(size)
        if not kinds or not {*kinds} <= {*MAKES}:
            every = ",".join(MAKES)
            raise DataError(
                f"dataset.kinds=[{','.join(kinds)}]: some of {every}. Use dataset.kinds=[{every}]."
            )
        if not 0 <= transforms <= 1:
            raise DataError(
                f"dataset.transforms={transforms}: from 0 to 1. Use dataset.transforms=1."
            )
        self.counts = counted("dataset.grid", grid, FACTORS)
        models, azimuths, _ = self.counts.values()
        if not 0 <= few < models or not 1 <= sides <= azimuths:
            raise DataError(
                f"dataset.few={few} dataset.sides={sides}: of {models} models, not all, from 1 to "
                f"{azimuths} sides. Use dataset.few=0 dataset.sides=1."
            )
        self.side, self.kinds, self.transforms = size, [*kinds], transforms
        self.few, self.sides, self.data_seed = few, sides, data_seed
        super().__init__(split=split, vary=vary)

    @property
    def levels(self) -> dict[str, int]:
        return self.counts

    @cached_property
    def solids(self) -> Solids:
        """Of every model."""
        return stacked(things(self.kinds, self.counts["model"], self.data_seed))

    @cached_property
    def index(self) -> dict[str, Tensor]:
        whole = super().index
        return whole | {"train": whole["train"][~self.is_withheld(whole["train"])]}

    def is_withheld(self, numbers: Tensor) -> Tensor:
        """Whether examples show a model of few sides from another one, `[N]`."""
        model, azimuth, _ = self.values(numbers).unbind(-1)
        models = self.counts["model"]
        return (model >= models - self.few) & ~torch.isin(azimuth, self.known)

    @property
    def known(self) -> Tensor:
        """The azimuths that models of few sides are trained on from, `[sides]`."""
        return torch.arange(self.sides) * self.counts["azimuth"] // self.sides

    def nearest_known(self, azimuth: Tensor) -> Tensor:
        """Of those, the nearest on the circle to each azimuth `[*, 1]`."""
        apart = (azimuth - self.known).abs()
        around = torch.minimum(apart, self.counts["azimuth"] - apart)
        return self.known[around.argmin(-1, keepdim=True)]

    def withheld(self) -> InMemorySplit:
        """The examples that are kept from training by `few`."""
        numbers = torch.arange(self.size)
        return self.examples(numbers[self.is_withheld(numbers)])

    def angles(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Azimuth and elevation of values `[B, 3]`, in radians, `[B]` each."""
        _, azimuth, elevation = values.unbind(1)
        _, azimuths, elevations = self.counts.values()
        return 2 * math.pi / azimuths * azimuth.float(), spread(elevation, elevations, LOW, HIGH)

    def shown(self, values: Tensor, transform: Tensor) -> tuple[Tensor, Tensor]:
        """Images `[B, 3, H, W]` and masks `[B, 1, H, W]` of values `[B, 3]` under transforms `[B, 8]`."""
        camera = Camera.at(*self.angles(values), unplaced(transform))
        straight = Camera.at(*self.angles(values))
        light = lit(torch.full_like(transform[:, 0], LIGHT), straight, HEIGHT)
        solids = self.solids.to(values.device).of(values[:, 0].long())
        image, mask = pictures(solids, camera, light, self.side)
        return (tinted(image, transform) if transform.any() else image), mask

    @property
    def ordered(self) -> tuple[str, ...]:
        return FACTORS[2:]

    def render(self, values: Tensor) -> Tensor:
        return self.shown(values, untransformed(values))[0]

    def conditions(self, values: Tensor, generator: torch.Generator | None) -> dict[str, Tensor]:
        """`view` and `transform` of values `[B, 3]`."""
        transform = untransformed(values)
        if generator is not None and self.transforms:
            transform = transform.uniform_(-self.transforms, self.transforms, generator=generator)
        azimuth, elevation = self.angles(values)
        circle = [azimuth.sin(), azimuth.cos(), elevation.sin(), elevation.cos()]
        return {"view": torch.stack(circle, -1), "transform": transform}

    def made(self, values: Tensor, generator: torch.Generator | None) -> dict[str, Tensor]:
        given = self.conditions(values, generator)
        image, mask = self.shown(values, given["transform"])
        return {"x": image, "mask": mask, **given}

    def fields(self, means: Batch) -> dict[str, Field]:
        mask = Field(tuple(means["mask"].shape), Support.BINARY, 2, means["mask"])
        numbers = {n: Field(tuple(means[n].shape), mean=means[n]) for n in ("view", "transform")}
        return super().fields(means) | {"mask": mask} | numbers

    @property
    def protocol(self) -> dict[str, Any]:
        own = {"size": self.side, "kinds": self.kinds, "transforms": self.transforms}
        few = {"few": self.few, "sides": self.sides} if self.few else {}
        return super().protocol | own | few | {"data_seed": self.data_seed}


def untransformed(values: Tensor) -> Tensor:
    """The transform that does nothing, of values `[B, 3]`: `[B, 8]`."""
    return torch.zeros(len(values), len(MOST), dtype=torch.float32, device=values.device)
