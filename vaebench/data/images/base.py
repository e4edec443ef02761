"""Images with an explicit protocol: what is held out, and what is done to grey levels."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from vaebench.data.access import Access, AsIs, Dequantization, DynamicBinarization, Threshold
from vaebench.data.base import Dataset, Part
from vaebench.data.in_memory import InMemorySplit
from vaebench.data.protocol import HELD_OUT_SEED, Binarize, Split
from vaebench.data.spec import Batch, Field, Spec, Support
from vaebench.errors import DataError


@dataclass(frozen=True)
class Raw:
    """What a file holds: values `[N, *shape]` in {0, 1/(L-1), …, 1}, perhaps labels `[N]`.

    `levels` is the number of grey levels L, 0 for continuous values in [0, 1]; `notes` say what was
    done to files that were not such images.
    """

    x: Tensor
    levels: int
    y: Tensor | None = None
    notes: tuple[str, ...] = ()

    def take(self, index: Tensor) -> Raw:
        """A subset of the examples."""
        return replace(self, x=self.x[index], y=None if self.y is None else self.y[index])


class Images(Dataset):
    """Images with an explicit protocol; a new image data set implements `read`.

    Args:
        split: which examples are held out.
        binarize: `none`: grey values as they are; `dynamic`: x ~ Bernoulli(grey value) afresh at
            every access; `static`: drawn once; `threshold`: grey value > 1/2. Validation and test
            images are drawn once with a fixed seed, so that every run is measured on the same bits.
        dequantize: add uniform noise of one grey level's width, to compare densities with masses.
    """

    def __init__(self, *, split: Split, binarize: Binarize, dequantize: bool = False) -> None:
        if dequantize and binarize != "none":
            raise DataError(
                f"dataset.dequantize=true needs dataset.binarize=none, not {binarize}. "
                "Use dataset.binarize=none or dataset.dequantize=false."
            )
        self.held_out, self.binarize, self.dequantize = split, binarize, dequantize

    @abstractmethod
    def read(self) -> tuple[Raw, Raw | None]:
        """All examples that the split divides, and the official test set if there is one."""

    @cached_property
    def parts(self) -> dict[str, Raw]:
        """The raw examples of each split."""
        rest, test = self.read()
        for raw in (rest, test):
            if raw is not None and not (raw.x.min() >= 0 and raw.x.max() <= 1):
                raise DataError(f"{type(self).__name__}: grey values outside [0, 1]")
        if (test is not None) != (self.held_out.kind == "official"):
            has = "brings an official test set" if test is not None else "has no official split"
            kind, size = ("official", 0) if test is not None else ("random", 0.1)
            raise DataError(
                f"dataset.split.kind={self.held_out.kind}: {type(self).__name__} {has}. "
                f"Use dataset.split.kind={kind} dataset.split.test={size}."
            )
        parts = {name: rest.take(i) for name, i in self.held_out.indices(len(rest.x)).items()}
        return parts if test is None else parts | {"test": test}

    @cached_property
    def spec(self) -> Spec:
        train = self.parts["train"]
        support, levels = self._support(train.levels)
        mean = (train.x > 0.5).float().mean(0) if self.binarize == "threshold" else train.x.mean(0)
        fields = {"x": Field(tuple(train.x.shape[1:]), support, levels, mean)}
        if train.y is not None:
            fields["y"] = Field((), Support.LABEL, int(train.y.max()) + 1)
        return Spec(fields, len(train.x))

    def _support(self, levels: int) -> tuple[Support, int]:
        if self.binarize != "none":
            return Support.BINARY, 2
        if self.dequantize and not levels:
            raise DataError("dataset.dequantize=true: the values are continuous already")
        return (Support.UNIT if self.dequantize or not levels else Support.LEVELS), levels

    def split(self, part: Part) -> InMemorySplit:
        raw, access = self.parts[part], self._access()
        kept, extra = access.prepare(raw.x), {} if raw.y is None else {"y": raw.y}
        if self.binarize == "static" or part != "train":
            seed = HELD_OUT_SEED + list(self.parts).index(part)
            kept = access(kept, torch.Generator().manual_seed(seed))
            access = AsIs()
        return InMemorySplit(kept, access, extra)

    def originals(self, part: Part) -> Batch:
        return {} if self.binarize == "none" else {"x": self.parts[part].x}

    def _access(self) -> Access:
        if self.binarize in ("dynamic", "static"):
            return DynamicBinarization()
        if self.binarize == "threshold":
            return Threshold()
        return Dequantization(self.parts["train"].levels) if self.dequantize else AsIs()

    @property
    def notes(self) -> list[str]:
        return list(self.parts["train"].notes)

    @property
    def protocol(self) -> dict[str, Any]:
        sizes = {part: len(raw.x) for part, raw in self.parts.items()}
        return {
            "split": asdict(self.held_out) | {"sizes": sizes},
            "binarize": self.binarize,
            "dequantize": self.dequantize,
            "levels": self.parts["train"].levels,
        }
