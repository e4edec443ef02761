"""A data set as every command sees it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Literal

from torch import Tensor

from vaebench.data.columns import Columns
from vaebench.data.spec import Batch, Spec

Part = Literal["train", "val", "test"]


class FromFiles(ABC):
    """What is read from files below `data_dir`.

    Attributes:
        wanted: the files in words.
        downloads: whether the first run fetches them.
    """

    wanted: ClassVar[str]
    downloads: ClassVar[bool] = False

    @property
    @abstractmethod
    def place(self) -> Path:
        """The folder of the files, or where they belong."""

    @property
    @abstractmethod
    def is_there(self) -> bool:
        """Whether no file is missing."""


class Dataset(ABC):
    """A data set as every command sees it: a `Spec`, three splits and a recorded protocol."""

    @property
    @abstractmethod
    def spec(self) -> Spec:
        """Names, shapes and supports of a batch."""

    @abstractmethod
    def split(self, part: Part) -> Columns:
        """One split, on the CPU."""

    @property
    @abstractmethod
    def protocol(self) -> dict[str, Any]:
        """What was done to the data, for `summary.json`."""

    @property
    def notes(self) -> list[str]:
        """What a reader of results on these data should know."""
        return []

    def outside(self) -> Columns | None:
        """The test examples of the classes that are left out of all splits; None: none are."""
        return None

    def originals(self, part: Part, examples: int) -> Batch:
        """What the first so many examples of a split were before the protocol made bits of them, for
        pictures: by name, `[examples, *]`; empty where a batch holds what was read."""
        return {}

    def units(self, batch: Batch) -> dict[str, Tensor]:
        """What an example is made of, by name, `[B]` each: what its likelihood is shared out over."""
        return {}

    def exact_log_prob(self, batch: Batch) -> Tensor | None:
        """log p of the examples `[B]` where they come from a known density, else None."""
        return None
