"""A data set: tensors that live on the device, their protocol, and batches sliced by index."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from vaebench.data.protocol import (
    HELD_OUT_SEED,
    Binarize,
    Split,
    bernoulli_from_thresholds,
    thresholds,
)
from vaebench.data.seeds import ORDER, derived
from vaebench.data.spec import Field, Spec, Support
from vaebench.errors import DataError

Part = Literal["train", "val", "test"]
Batch = dict[str, Tensor]


class Access(ABC):
    """How stored values of `x` become the values of a batch, on their device."""

    @abstractmethod
    def prepare(self, stored: Tensor) -> Tensor:
        """What to keep resident, from what was read."""

    @abstractmethod
    def __call__(self, kept: Tensor, generator: torch.Generator | None) -> Tensor:
        """Values of a batch, `[B, *shape]`, from kept values of its examples."""


class AsIs(Access):
    """Values are used as they are stored."""

    def prepare(self, stored: Tensor) -> Tensor:
        return stored

    def __call__(self, kept: Tensor, generator: torch.Generator | None) -> Tensor:
        return kept


class DynamicBinarization(Access):
    """x ~ Bernoulli(grey value), drawn afresh at every access (Burda, Grosse, Salakhutdinov 2016)."""

    def prepare(self, stored: Tensor) -> Tensor:
        return thresholds(stored)

    def __call__(self, kept: Tensor, generator: torch.Generator | None) -> Tensor:
        return bernoulli_from_thresholds(kept, generator)


@dataclass(frozen=True)
class Dequantization(Access):
    """x = (level + u) / L with u ~ U[0, 1), afresh at every access (Uria, Murray, Larochelle 2013)."""

    levels: int

    def prepare(self, stored: Tensor) -> Tensor:
        return (stored * (self.levels - 1)).round()

    def __call__(self, kept: Tensor, generator: torch.Generator | None) -> Tensor:
        # u in steps of 2^-16: level + u is then exact in float32, and never rounds up to the next.
        bits = torch.empty(kept.shape, device=kept.device).random_(2**16, generator=generator)
        return (kept + bits / 2**16) / self.levels


class Resident:
    """One split on one device: `x` behind its access, everything else as it is.

    A batch is sliced by index and never crosses to the device again.
    """

    def __init__(self, kept: Tensor, access: Access, extra: Mapping[str, Tensor]) -> None:
        self.kept, self.access, self.extra = kept, access, dict(extra)

    def __len__(self) -> int:
        return len(self.kept)

    def to(self, device: torch.device | str) -> Resident:
        """The same split on another device."""
        extra = {name: value.to(device) for name, value in self.extra.items()}
        return Resident(self.kept.to(device), self.access, extra)

    def first(self, n: int) -> Resident:
        """The first n examples."""
        extra = {name: value[:n] for name, value in self.extra.items()}
        return Resident(self.kept[:n], self.access, extra)

    def batch(self, index: Tensor, generator: torch.Generator | None = None) -> Batch:
        """Examples `index` `[B]`; whatever the protocol draws comes from the generator."""
        x = self.access(self.kept.index_select(0, index), generator)
        return {"x": x} | {name: value.index_select(0, index) for name, value in self.extra.items()}


class Loader:
    """Batches of a resident split.

    A shuffled epoch's order is a function of `(seed, epoch)` alone. A split that is not shuffled
    comes in its own order.

    Where several processes train, each takes every world-th example of the same batches; whatever
    the protocol draws is drawn for the whole batch, so that the data are those of one process.

    Args:
        split: what to slice.
        batch_size: M.
        shuffle: whether the order changes with the epoch.
        seed: of the order.
        epoch: tells the epoch when a pass begins.
        generator: of whatever the protocol draws at an access.
        partial: whether the incomplete last batch is kept.
        rank: which of the processes this is.
        world: how many there are.

    Attributes:
        share: this process's part of the latest batch times `world`: what the mean over its
            examples must be weighed by for the mean over processes to be the mean over the batch.
    """

    def __init__(
        self,
        split: Resident,
        batch_size: int,
        *,
        shuffle: bool,
        seed: int = 0,
        epoch: Callable[[], int] = lambda: 0,
        generator: torch.Generator | None = None,
        partial: bool = True,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if not partial and len(split) < batch_size:
            raise DataError(
                f"trainer.batch_size={batch_size}: no complete batch in {len(split)} examples. "
                f"Use trainer.batch_size={len(split)}."
            )
        self.split, self.batch_size, self.shuffle = split, batch_size, shuffle
        self.seed, self.generator, self.epoch = seed, generator, epoch
        self.partial, self.rank, self.world = partial, rank, world
        self.position, self.share = 0, 1.0

    def __len__(self) -> int:
        return (math.ceil if self.partial else math.floor)(len(self.split) / self.batch_size)

    def order(self) -> Tensor:
        """The order of this epoch's examples, `[N]`."""
        if not self.shuffle:
            return torch.arange(len(self.split))
        seed = derived(self.seed, ORDER, self.epoch())
        generator = torch.Generator().manual_seed(seed)
        return torch.randperm(len(self.split), generator=generator)

    def __iter__(self) -> Iterator[Batch]:
        batches = self.order().to(self.split.kept.device).split(self.batch_size)[: len(self)]
        start, self.position = self.position, 0
        for i, index in enumerate(batches[start:], start + 1):
            self.position = i % len(batches)
            batch = self.split.batch(index, self.generator)
            yield batch if self.world == 1 else self._own(batch, len(index))

    def _own(self, batch: Batch, size: int) -> Batch:
        """This process's part; where a last batch has none, one example that weighs nothing."""
        mine = len(range(self.rank, size, self.world))
        self.share = mine * self.world / size
        first = self.rank if mine else 0
        return {name: value[first :: self.world] for name, value in batch.items()}

    def state(self) -> dict[str, Any]:
        """How many batches of this pass are out, and where the generator stands."""
        noise = None if self.generator is None else self.generator.get_state()
        return {"position": self.position, "noise": noise}

    def load(self, state: dict[str, Any]) -> None:
        """The next pass begins where `state` was taken."""
        self.position = state["position"]
        if self.generator is not None:
            self.generator.set_state(state["noise"])


class Dataset(ABC):
    """A data set as every command sees it: a `Spec`, three splits and a recorded protocol."""

    @property
    @abstractmethod
    def spec(self) -> Spec:
        """Names, shapes and supports of a batch."""

    @abstractmethod
    def split(self, part: Part) -> Resident:
        """One split, on the CPU."""

    @property
    @abstractmethod
    def protocol(self) -> dict[str, Any]:
        """What was done to the data, for `summary.json`."""

    @property
    def notes(self) -> list[str]:
        """What a reader of results on these data should know."""
        return []

    def exact_log_prob(self, batch: Batch) -> Tensor | None:
        """log p of the examples `[B]` where they come from a known density, else None."""
        return None


@dataclass(frozen=True)
class Raw:
    """What a file holds: values `[N, *shape]` in {0, 1/(L-1), …, 1}, perhaps labels `[N]`.

    `levels` is the number of grey levels L, 0 for continuous values in [0, 1].
    """

    x: Tensor
    levels: int
    y: Tensor | None = None

    def take(self, index: Tensor) -> Raw:
        """A subset of the examples."""
        return Raw(self.x[index], self.levels, None if self.y is None else self.y[index])


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

    def split(self, part: Part) -> Resident:
        raw, access = self.parts[part], self._access()
        kept, extra = access.prepare(raw.x), {} if raw.y is None else {"y": raw.y}
        if self.binarize == "static" or part != "train":
            seed = HELD_OUT_SEED + list(self.parts).index(part)
            kept = access(kept, torch.Generator().manual_seed(seed))
            access = AsIs()
        return Resident(kept, access, extra)

    def _access(self) -> Access:
        if self.binarize in ("dynamic", "static"):
            return DynamicBinarization()
        if self.binarize == "threshold":
            return Threshold()
        return Dequantization(self.parts["train"].levels) if self.dequantize else AsIs()

    @property
    def protocol(self) -> dict[str, Any]:
        sizes = {part: len(raw.x) for part, raw in self.parts.items()}
        return {
            "split": asdict(self.held_out) | {"sizes": sizes},
            "binarize": self.binarize,
            "dequantize": self.dequantize,
            "levels": self.parts["train"].levels,
        }


class Threshold(Access):
    """x = 1 where the grey value exceeds 1/2."""

    def prepare(self, stored: Tensor) -> Tensor:
        return (stored > 0.5).float()

    def __call__(self, kept: Tensor, generator: torch.Generator | None) -> Tensor:
        return kept
