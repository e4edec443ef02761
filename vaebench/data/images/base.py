"""Images with an explicit protocol: what is held out, and what is done to grey levels."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from vaebench.data.access import (
    Access,
    above_half,
    as_is,
    dequantization,
    dynamic_binarization,
    floats,
    grey,
    grey_levels,
)
from vaebench.data.base import Dataset, Part
from vaebench.data.columns import Column, InMemorySplit
from vaebench.data.labels import FewLabels, Labels, Unlabelled, check_without, rows_of
from vaebench.data.protocol import HELD_OUT_SEED, Binarize, Split, thresholds
from vaebench.data.spec import Batch, Field, Spec, Support
from vaebench.errors import DataError


@dataclass(frozen=True)
class Raw:
    """What a file holds: images `[N, *shape]`, perhaps labels `[N]`.

    Args:
        x: grey levels {0, …, L-1} in bytes, or floats in [0, 1].
        levels: the number of grey levels L, 0 for floats.
        y: labels.
        notes: what was done to files that were not such images.
        rows: which rows of `x` are meant; None: all.
    """

    x: Tensor
    levels: int
    y: Tensor | None = None
    notes: tuple[str, ...] = ()
    rows: Tensor | None = None

    def __len__(self) -> int:
        return len(self.column(as_is))

    def take(self, index: Tensor) -> Raw:
        """Some of the examples."""
        rows = index if self.rows is None else self.rows[index]
        return replace(self, rows=rows, y=None if self.y is None else self.y[index])

    def column(self, access: Access) -> Column:
        """The images behind an access."""
        return Column(self.x, access, self.rows)

    def grey(self, n: int | None = None) -> Tensor:
        """Grey values in [0, 1] of the first n examples, `[n, *shape]`; None: of all."""
        stored = self.x[:n] if self.rows is None else self.x[self.rows[:n]]
        return grey(stored, self.levels)


class Images(Dataset):
    """Images with an explicit protocol; a new image data set implements `read`.

    Args:
        split: which examples are held out.
        binarize: `none`: grey values as they are; `dynamic`: x ~ Bernoulli(grey value) afresh at
            every access; `static`: drawn once; `threshold`: grey value > 1/2. Validation and test
            images are drawn once with a fixed seed, so that every run is measured on the same bits.
        dequantize: add uniform noise of one grey level's width, to compare densities with masses.
        labels, labelled, label_seed, unlabelled: of `FewLabels`.
        without: classes that are in no split. Their test images are `outside`; labels keep their
            numbers.
        halves: whether a batch holds `top` and `bottom` of x too: two modalities of one thing.
    """

    def __init__(
        self,
        *,
        split: Split,
        binarize: Binarize,
        dequantize: bool = False,
        labels: Labels = "all",
        labelled: int = 0,
        label_seed: int = 0,
        unlabelled: Unlabelled = "keep",
        without: Sequence[int] = (),
        halves: bool = False,
    ) -> None:
        if dequantize and binarize != "none":
            raise DataError(
                f"dataset.dequantize=true needs dataset.binarize=none, not {binarize}. "
                "Use dataset.binarize=none or dataset.dequantize=false."
            )
        self.held_out, self.binarize, self.dequantize = split, binarize, dequantize
        self.few = FewLabels(labels, labelled, label_seed, unlabelled)
        self.without, self.halves = sorted(set(without)), halves
        self.made: dict[Part, InMemorySplit] = {}

    @abstractmethod
    def read(self) -> tuple[Raw, Raw | None]:
        """All examples that the split divides, and the official test set if there is one."""

    @cached_property
    def parts(self) -> dict[str, Raw]:
        """The raw examples of each split."""
        if not self.without:
            return self.whole
        for raw in self.whole.values():
            check_without(raw.y, self.without)
        return {name: self._of(raw, inside=False) for name, raw in self.whole.items()}

    def _of(self, raw: Raw, *, inside: bool) -> Raw:
        """The examples of the classes that are left out, or of all others."""
        assert raw.y is not None
        return raw.take(rows_of(raw.y, self.without, inside=inside))

    @cached_property
    def whole(self) -> dict[str, Raw]:
        """The same of all classes."""
        rest, test = self.read()
        for raw in (rest, test):
            self._check(raw)
        self.held_out.check(type(self).__name__, official=test is not None)
        parts = {name: rest.take(i) for name, i in self.held_out.indices(len(rest)).items()}
        return parts if test is None else parts | {"test": test}

    @cached_property
    def known(self) -> Tensor | None:
        """Training examples whose label is known; None: that of each, or there are no labels."""
        return self.few.known(self.parts["train"].y)

    @cached_property
    def train(self) -> Raw:
        """The training examples that are there."""
        whole, kept = self.parts["train"], self.few.kept(self.known)
        return whole if kept is None else whole.take(kept)

    def _raw(self, part: Part) -> Raw:
        return self.train if part == "train" else self.parts[part]

    def _check(self, raw: Raw | None) -> None:
        if raw is None:
            return
        if raw.x.is_floating_point() == (raw.levels > 0):
            raise DataError(f"{type(self).__name__}: {raw.levels} grey levels of {raw.x.dtype}")
        if not (raw.x.min() >= 0 and raw.x.max() <= (raw.levels - 1 if raw.levels else 1)):
            raise DataError(f"{type(self).__name__}: grey values outside [0, 1]")

    @cached_property
    def spec(self) -> Spec:
        train = self.train
        support, levels = self._support(train.levels)
        seen = above_half if self.binarize == "threshold" else grey_levels
        means = InMemorySplit({"x": train.column(partial(seen, levels=train.levels))}).means()
        fields = {"x": Field(tuple(train.x.shape[1:]), support, levels, means["x"])}
        if self.halves:
            fields |= {
                name: replace(fields["x"], shape=tuple(mean.shape), mean=mean)
                for name, mean in halves_of(means["x"]).items()
            }
        if train.y is not None:
            each = [part.y for part in self.whole.values() if part.y is not None]
            classes = max(int(y.max()) for y in each) + 1
            shares = InMemorySplit({"y": Column(train.y)}).means({"y": classes})
            fields["y"] = Field((), Support.LABEL, classes, shares.get("y"))
        return Spec(fields | self.few.field(self.known, len(train)), len(train))

    def _support(self, levels: int) -> tuple[Support, int]:
        if self.binarize != "none":
            return Support.BINARY, 2
        if self.dequantize and not levels:
            raise DataError("dataset.dequantize=true: the values are continuous already")
        return (Support.UNIT if self.dequantize or not levels else Support.LEVELS), levels

    def split(self, part: Part) -> InMemorySplit:
        if part not in self.made:  # all its thresholds or bits, of which a start has several uses
            self.made[part] = self._split(part)
        return self.made[part]

    def outside(self) -> InMemorySplit | None:
        if not self.without:
            return None
        once = torch.Generator().manual_seed(HELD_OUT_SEED + len(self.parts))
        split = self._behind(self._of(self.whole["test"], inside=True), once)
        return self.few.split(split, self.known, train=False)

    def _split(self, part: Part) -> InMemorySplit:
        once = None
        if self.binarize == "static" or part != "train":
            seed = HELD_OUT_SEED + list(self.parts).index(part)
            once = torch.Generator().manual_seed(seed)
        split = self._behind(self._raw(part), once)
        return self.few.split(split, self.known, train=part == "train")

    def _behind(self, raw: Raw, once: torch.Generator | None) -> InMemorySplit:
        """Images behind the protocol, and their labels."""
        x = self._column(raw, once)
        if self.halves:
            x = replace(x, access=partial(halved, access=x.access))
        columns = {"x": x} | ({} if raw.y is None else {"y": Column(raw.y)})
        return InMemorySplit(columns)

    def _column(self, raw: Raw, once: torch.Generator | None) -> Column:
        """Images as the protocol has them; what it draws is drawn `once`, or at every access."""
        match self.binarize:
            case "dynamic" | "static":
                # Thresholds, of two bytes each: a step would wait for them.
                made = raw.column(as_is).computed(lambda x: thresholds(grey(x, raw.levels)))
                column = Column(made, dynamic_binarization)
                if once is None:
                    return column
                bits = column.computed(lambda x: dynamic_binarization(x, once).byte())
                return Column(bits, floats)
            case "threshold":
                return raw.column(partial(above_half, levels=raw.levels))
        if not self.dequantize:
            return raw.column(partial(grey_levels, levels=raw.levels))
        access = partial(dequantization, levels=raw.levels)
        column = raw.column(access)
        return column if once is None else Column(column.computed(lambda x: access(x, once)))

    def originals(self, part: Part, examples: int) -> Batch:
        return {} if self.binarize == "none" else {"x": self._raw(part).grey(examples)}

    @property
    def notes(self) -> list[str]:
        return list(self.parts["train"].notes)

    @property
    def protocol(self) -> dict[str, Any]:
        return (
            self.held_out.record(self.parts)
            | {
                "binarize": self.binarize,
                "dequantize": self.dequantize,
                "levels": self.parts["train"].levels,
            }
            | ({"without": self.without} if self.without else {})
            | ({"halves": True} if self.halves else {})
        )


def halves_of(x: Tensor) -> Batch:
    """The upper and the lower rows of images `[*, H, W]`; of an odd H the lower ones are one more."""
    middle = x.shape[-2] // 2
    return {"top": x[..., :middle, :], "bottom": x[..., middle:, :]}


def halved(rows: Tensor, generator: torch.Generator | None, *, access: Access) -> Batch:
    """Images, and their halves."""
    x = access(rows, generator)
    assert isinstance(x, Tensor)  # as all that images are behind makes them
    return {"x": x, **halves_of(x)}
