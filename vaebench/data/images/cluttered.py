"""Digits somewhere on a larger canvas, among pieces of other digits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from vaebench.data.access import grey_levels, integers
from vaebench.data.base import Dataset, Part
from vaebench.data.columns import CHUNK, Column, InMemorySplit
from vaebench.data.images.base import Images, Raw
from vaebench.data.images.digits import Digits
from vaebench.data.images.mnist import MNIST
from vaebench.data.protocol import Split
from vaebench.data.resident import Resident
from vaebench.data.seeds import CANVASES, derived
from vaebench.data.spec import Field, Spec, Support
from vaebench.errors import DataError
from vaebench.suggest import override, use

Source = Literal["auto", "mnist", "digits"]
"""Where digits come from; `auto`: MNIST where its files are, else scikit-learn's."""

ENLARGED = 3
"""Pixels of a canvas on each side of a pixel of scikit-learn's 8x8 digits: they are then 24x24, of
about MNIST's size."""

PARTS: tuple[Part, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class Canvases:
    """Paints plans, which say of a canvas what is where.

    A plan is `[1 + P, 5]` whole numbers: the digit, then P pieces; of each the row of `digits` that it
    is of, the top left corner of what is taken of that, and where on the canvas this corner goes.
    Where several things meet the brightest is seen.

    Args:
        digits: grey levels `[M, H, H]`.
        rows: which of them are the examples, `[N]`; pieces are cut from these too.
        levels: grey levels L.
        canvas: pixels on each side of a canvas.
        pieces: P.
        cut: pixels on each side of a piece.

    References:
        Recurrent Models of Visual Attention (Mnih, Heess, Graves, Kavukcuoglu 2014), section 4.1,
        https://arxiv.org/abs/1406.6247
    """

    digits: Resident
    rows: Resident
    levels: int
    canvas: int
    pieces: int
    cut: int

    @property
    def size(self) -> int:
        """N, the number of examples."""
        return len(self.rows.tensor)

    @property
    def side(self) -> int:
        """H, pixels on each side of a digit."""
        return self.digits.tensor.shape[-1]

    def drawn(self, examples: Tensor, generator: torch.Generator | None) -> Tensor:
        """Plans of examples `[B]`, `[B, 1 + P, 5]`: every place of a canvas is as likely as another,
        and so is every piece of every other example."""
        count, device = len(examples), examples.device
        rows = self.rows.on(device)

        def below(high: int, *shape: int, low: int = 0) -> Tensor:
            return torch.randint(low, high, (count, *shape), generator=generator, device=device)

        corners = below(self.canvas - self.side + 1, 1, 2)
        digit = [rows[examples].view(-1, 1, 1), torch.zeros_like(corners), corners]
        other = (examples[:, None] + below(len(rows), self.pieces, low=1)) % len(rows)
        taken = below(self.side - self.cut + 1, self.pieces, 2)
        put = below(self.canvas - self.cut + 1, self.pieces, 2)
        pieces = [rows[other].unsqueeze(-1), taken, put]
        return torch.cat([torch.cat(digit, -1), torch.cat(pieces, -1)], 1)

    def painted(self, plans: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Plans `[B, 1 + P, 5]` as canvases in [0, 1], `[B, 1, canvas, canvas]`: an access."""
        plans = plans.long()
        digit, pieces = self._pixels(plans[:, :1], self.side), self._pixels(plans[:, 1:], self.cut)
        values, places = (torch.cat(both, 1) for both in zip(digit, pieces, strict=True))
        paper = torch.zeros(len(plans), self.canvas**2, dtype=torch.int32, device=plans.device)
        paper.scatter_reduce_(1, places, values.int(), "amax")
        return grey_levels(paper, None, levels=self.levels).view(-1, 1, self.canvas, self.canvas)

    def afresh(self, examples: Tensor, generator: torch.Generator | None) -> Tensor:
        """Examples `[B]` on canvases that are drawn at every access: an access."""
        return self.painted(self.drawn(examples, generator))

    def _pixels(self, plans: Tensor, side: int) -> tuple[Tensor, Tensor]:
        """Grey levels of squares `[B, n, 5]` of so many pixels, and their places on the flat canvas,
        `[B, n · side²]` each."""
        number, from_row, from_column, to_row, to_column = plans.unbind(-1)
        source = (number * self.side + from_row) * self.side + from_column
        place = to_row * self.canvas + to_column
        steps = torch.arange(side, device=plans.device)
        # One sum over whole squares each: sums of rows and columns would take three times as long.
        source, place = (
            (corner.unsqueeze(-1) + (steps.unsqueeze(-1) * width + steps).flatten()).flatten(1)
            for corner, width in ((source, self.side), (place, self.canvas))
        )
        return self.digits.on(plans.device).take(source), place


class Cluttered(Dataset):
    """Where to look: each digit somewhere on a larger canvas, among pieces cut from other digits.

    Training canvases are drawn afresh at every access, so that none is seen twice; those of validation
    and test are drawn once. No canvas is kept: what is stored of one are the numbers of its plan.

    Args:
        data_dir: folder that holds MNIST's files, or not.
        source: where digits come from.
        canvas: pixels on each side of a canvas.
        pieces: how many pieces of other digits lie on it.
        cut: pixels on each side of a piece.
        seed: of the held-out canvases. Those of training come from the run's own seed.

    References:
        Recurrent Models of Visual Attention (Mnih, Heess, Graves, Kavukcuoglu 2014), section 4.1,
        https://arxiv.org/abs/1406.6247
    """

    def __init__(
        self,
        *,
        data_dir: str,
        source: Source = "auto",
        canvas: int = 40,
        pieces: int = 4,
        cut: int = 8,
        seed: int = 0,
    ) -> None:
        self.source, self.seed = _source(source, data_dir), seed
        self.automatic = source == "auto"
        self.canvas, self.pieces, self.cut = canvas, pieces, cut
        for name, value, least in (("pieces", pieces, 0), ("cut", cut, 1)):
            if value < least:
                raise DataError(f"dataset.{name}={value}: at least {least}")

    @cached_property
    def canvases(self) -> dict[Part, Canvases]:
        """What paints each split."""
        found = {part: self._canvases(self.source.parts[part]) for part in PARTS}
        side = found["train"].side
        for name, value, fits in (
            ("canvas", self.canvas, side <= self.canvas),
            ("cut", self.cut, self.cut <= side),
        ):
            if not fits:
                remedy = use(override(f"dataset.{name}", side))
                raise DataError(f"dataset.{name}={value}: a digit has {side} rows.{remedy}")
        return found

    def _canvases(self, raw: Raw) -> Canvases:
        digits = raw.x[:, 0]
        if isinstance(self.source, Digits):
            digits = digits.repeat_interleave(ENLARGED, 1).repeat_interleave(ENLARGED, 2)
        rows = torch.arange(len(digits)) if raw.rows is None else raw.rows
        kept = Resident(digits), Resident(rows)
        return Canvases(*kept, raw.levels, self.canvas, self.pieces, self.cut)

    @cached_property
    def spec(self) -> Spec:
        paint, y = self.canvases["train"], self.source.spec["y"]
        some = torch.arange(min(CHUNK, paint.size))
        mean = paint.afresh(some, self._generator(len(PARTS))).mean(0)
        shape = (1, self.canvas, self.canvas)
        x = Field(shape, Support.LEVELS, paint.levels, mean)
        return Spec({"x": x, "y": y}, paint.size)

    def split(self, part: Part) -> InMemorySplit:
        paint, y = self.canvases[part], self.source.parts[part].y
        assert y is not None
        return InMemorySplit({"x": self._column(part, paint), "y": Column(y, integers)})

    def _column(self, part: Part, paint: Canvases) -> Column:
        examples = torch.arange(paint.size)
        if part == "train":
            return Column(examples, paint.afresh)
        plans = paint.drawn(examples, self._generator(PARTS.index(part)))
        return Column(plans.int(), paint.painted)

    def _generator(self, stream: int) -> torch.Generator:
        return torch.Generator().manual_seed(derived(self.seed, CANVASES, stream))

    @property
    def notes(self) -> list[str]:
        if self.automatic and isinstance(self.source, Digits):
            return ["MNIST is not there: the digits are scikit-learn's, enlarged to 24x24"]
        return []

    @property
    def protocol(self) -> dict[str, Any]:
        return self.source.held_out.record(self.source.parts) | {
            "source": type(self.source).__name__,
            "canvas": self.canvas,
            "pieces": self.pieces,
            "cut": self.cut,
            "canvas_seed": self.seed,
        }


def _source(source: Source, data_dir: str) -> Images:
    mnist = MNIST(data_dir=data_dir, split=Split("official", 5000), binarize="none")
    if source == "mnist" or (source == "auto" and mnist.is_there):
        return mnist
    return Digits(split=Split("random", 200, 400), binarize="none")
