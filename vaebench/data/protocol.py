"""The protocol of a data set: which examples are held out, and what is done to grey levels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sized
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from vaebench.errors import DataError
from vaebench.suggest import use

Binarize = Literal["none", "dynamic", "static", "threshold"]
SplitKind = Literal["official", "random", "last"]

FEWEST = 3
"""Examples that can be divided: one to train on, one to validate, one to test."""

HELD_OUT_SEED = 0
"""Static binarization and the held-out splits are drawn once with this seed, the same in every run."""


@dataclass(frozen=True)
class Split:
    """Which examples train, validate and test.

    Args:
        kind: `official`: the test set comes with the data, validation is the end of the training
            set; `random`: a permutation that depends on `seed` alone, never on the run's seed;
            `last`: validation and test are the end of the data in their own order.
        val: number of validation examples, or their fraction if below 1.
        test: number or fraction of test examples; 0 with `official`.
        seed: seed of the permutation; 0 unless `random`.
    """

    kind: SplitKind
    val: int | float
    test: int | float = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.val <= 0:
            raise DataError(f"dataset.split.val={self.val}: at least one validation example")
        for name, number in (("val", self.val), ("test", self.test)):
            if not math.isfinite(number) or (number >= 1 and number != int(number)):
                raise DataError(
                    f"dataset.split.{name}={number}: a whole number, or a fraction below 1"
                )
        if self.kind == "official" and self.test:
            raise DataError(
                f"dataset.split.test={self.test}: an official split brings its test set"
            )
        if self.kind != "official" and self.test <= 0:
            raise DataError(f"dataset.split.test={self.test}: at least one test example")
        if self.kind != "random" and self.seed:
            raise DataError(f"dataset.split.seed={self.seed} does nothing with kind={self.kind}")

    def check(self, data: str, *, official: bool) -> None:
        """Refuses an official split that data do not have, and any other of data that have one."""
        if official != (self.kind == "official"):
            has = "brings an official test set" if official else "has no official split"
            kind, size = ("official", 0) if official else ("random", 0.1)
            raise DataError(
                f"dataset.split.kind={self.kind}: {data} {has}. "
                f"Use dataset.split.kind={kind} dataset.split.test={size}."
            )

    def record(self, parts: Mapping[str, Sized]) -> dict[str, Any]:
        """What `summary.json` says of it."""
        return {
            "split": asdict(self) | {"sizes": {name: len(part) for name, part in parts.items()}}
        }

    def indices(self, size: int) -> dict[str, Tensor]:
        """Indices `[n]` of each split into the `size` examples that are to be divided."""
        held_out = [_count(n, size) for n in (self.val, self.test)]
        left = size - sum(held_out)
        if left < 1:
            # A tenth in place of each part that takes more than a third leaves a third to train on.
            most = zip(("val", "test"), held_out, strict=True)
            tenths = [f"dataset.split.{part}=0.1" for part, count in most if 3 * count > size]
            few = f"dataset.split: {size} examples are too few to hold out"
            instead = use(" ".join(tenths)) if size >= FEWEST else ""
            raise DataError(f"{few} {held_out[0]} and {held_out[1]}.{instead}")
        order = torch.arange(size)
        if self.kind == "random":
            order = torch.randperm(size, generator=torch.Generator().manual_seed(self.seed))
        train, val, test = order.split([left, *held_out])
        return {"train": train, "val": val} | ({"test": test} if len(test) else {})


def _count(number: int | float, size: int) -> int:
    return max(1, round(number * size)) if 0 < number < 1 else int(number)


def thresholds(probability: Tensor) -> Tensor:
    """16-bit thresholds t such that `bits < t` has the given probability, for uniform int16 bits.

    Exact to 2^-16; a probability of 0 is exact, a probability of 1 is drawn as 0 once in 65536.
    """
    return (probability * 65536).round_().sub_(32768).clamp_(max=32767).to(torch.int16)


def bernoulli_from_thresholds(threshold: Tensor, generator: torch.Generator | None) -> Tensor:
    """Bernoulli draws as floats, several times faster than `torch.bernoulli` on a CPU."""
    words = torch.empty(-(-threshold.numel() // 4), dtype=torch.int64, device=threshold.device)
    # The bounds matter: `random_()` without them leaves the sign bit of each word 0,
    # so that every fourth 16-bit lane would only ever be non-negative.
    bits = words.random_(-(2**63), None, generator=generator).view(torch.int16)
    return (bits[: threshold.numel()].view(threshold.shape) < threshold).float()
