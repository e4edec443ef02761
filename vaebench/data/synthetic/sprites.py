"""Sprites: three shapes of six sizes at forty angles and 32 x 32 places."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from vaebench.data.images.files import corrupt
from vaebench.data.protocol import Split
from vaebench.data.resident import Resident
from vaebench.data.synthetic.factors import NONE, Factors
from vaebench.errors import DataError

FACTORS = {"shape": 3, "scale": 6, "orientation": 40, "pos_x": 32, "pos_y": 32}
SIDE = 64
REACH = 16
"""Pixels from the middle of a sprite to the end of its box, which no rotation leaves."""

BOX = 2 * REACH + 1
ROUNDED = 2**20
ROWS = 4096
"""Images of a file that are read together."""


def templates() -> Tensor:
    """Each shape, size and angle in a box of its own, `[3, 6, 40, 33, 33]`, bits.

    Sines and cosines are rounded to 2^-20: all else is sums and products, which are the same on every
    machine.
    """
    _, scales, angles, *_ = FACTORS.values()
    turns = [2 * math.pi * i / angles for i in range(angles)]
    cosine, sine = (
        torch.tensor([round(f(t) * ROUNDED) / ROUNDED for t in turns], dtype=torch.float64)
        for f in (math.cos, math.sin)
    )
    scale = torch.tensor([(5 + i) / 10 for i in range(scales)], dtype=torch.float64)
    step = torch.arange(-REACH, REACH + 1, dtype=torch.float64)
    cosine, sine, scale = cosine.view(-1, 1, 1), sine.view(-1, 1, 1), scale.view(-1, 1, 1, 1)
    down, across = step.view(-1, 1), step
    u = (cosine * across + sine * down) / scale
    v = (cosine * down - sine * across) / scale
    return torch.stack([_square(u, v), _ellipse(u, v), _heart(u, v)])


def _square(u: Tensor, v: Tensor) -> Tensor:
    return (u.abs() <= 11) & (v.abs() <= 11)


def _ellipse(u: Tensor, v: Tensor) -> Tensor:
    a, b = u / 15, v / 9
    return a * a + b * b <= 1


def _heart(u: Tensor, v: Tensor) -> Tensor:
    """(a² + b² - 1)³ ≤ a² b³."""
    a, b = u / 11.2, -v / 11.2
    t = a * a + b * b - 1
    return t * t * t <= a * a * b * b * b


class Sprites(Factors):
    """White sprites on black, 64x64 pixels, on the grid of dSprites: 737,280 images.

    They are like dSprites and not the same: rendered here at each access from 720 templates, whose
    places are whole pixels, and the angles are 2π i / 40. dSprites itself is read where its file is.

    Args:
        path: the file of dSprites (keys `imgs` `[N, 64, 64]` and `latents_classes` `[N, 6]`), which
            is held as bits, 377 MB; empty: sprites are rendered here.
        grid: of how many values of each factor there are images: shape, scale, orientation, pos_x, pos_y.
            Fewer than there are lie at equal distances.
        split, vary: of all `Factors`.

    References:
        dSprites: Disentanglement testing Sprites dataset (Matthey, Higgins, Hassabis, Lerchner 2017),
        https://github.com/google-deepmind/dsprites-dataset
    """

    def __init__(
        self, *, path: str, grid: Sequence[int], split: Split, vary: Mapping[str, int] = NONE
    ) -> None:
        self.path, self.grid = path, [*grid]
        most = [*FACTORS.values()]
        if len(self.grid) != len(most) or not all(
            1 <= n <= m for n, m in zip(self.grid, most, strict=True)
        ):
            told = ",".join(map(str, self.grid))
            raise DataError(
                f"dataset.grid=[{told}]: of {', '.join(f'{n} {k}' for n, k in FACTORS.items())} values "
                f"at most. Use dataset.grid=[{','.join(map(str, most))}]."
            )
        super().__init__(split=split, vary=vary)

    @property
    def levels(self) -> dict[str, int]:
        return dict(zip(FACTORS, self.grid, strict=True))

    @property
    def ordered(self) -> tuple[str, ...]:
        return ("scale", "pos_x", "pos_y")

    def render(self, values: Tensor) -> Tensor:
        chosen = values.long() * self._strides.on(values.device)
        whole = chosen.div(self._kept.on(values.device), rounding_mode="floor")
        return self._read(whole) if self.path else self._drawn(whole)

    @cached_property
    def _strides(self) -> Resident:
        return Resident(torch.tensor([*FACTORS.values()]))

    @cached_property
    def _kept(self) -> Resident:
        return Resident(torch.tensor(self.grid))

    @cached_property
    def _templates(self) -> Resident:
        return Resident(templates().flatten(0, 2).flatten(1).float())

    @cached_property
    def _bits(self) -> Resident:
        return Resident(_packed(Path(self.path).expanduser()))

    def _drawn(self, values: Tensor) -> Tensor:
        """Images of values `[B, 5]` of the whole grid: a template, put into its place."""
        shape, scale, angle, x, y = values.unbind(1)
        _, scales, angles, *_ = FACTORS.values()
        sprite = self._templates.on(values.device)[(shape * scales + scale) * angles + angle]
        step = torch.arange(BOX, device=values.device)
        within = (SIDE * step.unsqueeze(1) + step).flatten()
        images = sprite.new_zeros(len(values), SIDE * SIDE)
        images.scatter_(1, (SIDE * y + x).unsqueeze(1) + within, sprite)
        return images.view(-1, 1, SIDE, SIDE)

    def _read(self, values: Tensor) -> Tensor:
        """The same from the file."""
        number = torch.zeros_like(values[:, 0])
        for value, levels in zip(values.unbind(1), FACTORS.values(), strict=True):
            number = number * levels + value
        rows = self._bits.on(values.device)[number].unsqueeze(-1)
        shift = torch.arange(7, -1, -1, dtype=torch.uint8, device=rows.device)
        return ((rows >> shift) & 1).float().view(-1, 1, SIDE, SIDE)

    @property
    def protocol(self) -> dict[str, Any]:
        return super().protocol | {"sprites": "read" if self.path else "rendered"}


def _packed(path: Path) -> Tensor:
    """The images of a file as bits, eight to a byte, `[N, 512]`; never all of them as bytes."""
    if not path.exists():
        raise DataError(f"dataset.path={path}: there is no such file. Use dataset.path=''.")
    with corrupt(path), path.open("rb") as whole:
        with np.load(whole, allow_pickle=False) as arrays:
            classes = arrays["latents_classes"]
        _check_order(classes, path)
        with zipfile.ZipFile(whole) as archive, archive.open("imgs.npy") as file:
            packed = _in_bits(file, path)
    return torch.from_numpy(packed)


def _in_bits(file: IO[bytes], path: Path) -> np.ndarray:
    """The rows of an array's file, read some at a time."""
    first = np.lib.format.read_magic(file) == (1, 0)
    header = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
    shape, _, dtype = header(file)
    if shape[1:] != (SIDE, SIDE) or dtype != np.uint8:
        raise DataError(f"{path}: images of {shape[1:]} and {dtype}, 64x64 bytes are expected")
    packed = np.empty((shape[0], SIDE * SIDE // 8), np.uint8)
    for start in range(0, shape[0], ROWS):
        rows = packed[start : start + ROWS]
        some = np.frombuffer(file.read(len(rows) * SIDE * SIDE), np.uint8)
        rows[:] = np.packbits(some.reshape(len(rows), -1), axis=1)
    return packed


def _check_order(classes: np.ndarray, path: Path) -> None:
    """Refuses a file whose rows are not the whole grid with its last factor fastest."""
    levels = [*FACTORS.values()]
    numbers = np.ravel_multi_index(tuple(classes[:, -len(levels) :].T), levels)
    if not np.array_equal(numbers, np.arange(math.prod(levels))):
        raise DataError(f"{path}: its rows are not those of dSprites, in their order")
