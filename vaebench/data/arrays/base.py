"""The user's own arrays as a data set of named columns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vaebench.data.arrangement import Arrangement, ByFactor, ByLabel, Shuffled
from vaebench.data.arrays.files import StoredArray, stored_arrays
from vaebench.data.arrays.supports import Opened, declaring, inferred, opened, supports
from vaebench.data.base import Dataset, Part
from vaebench.data.columns import Columns, InMemorySplit, MappedSplit
from vaebench.data.labels import FewLabels, Labels, Unlabelled
from vaebench.data.protocol import Split
from vaebench.data.spec import LABELLED, Field, Spec, Support
from vaebench.errors import DataError
from vaebench.suggest import literal, override, unknown, use

OBSERVED = "x"
TAKEN = {"index", "z"}
"""What a batch calls the numbers of its examples, and models their latent."""

UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


class Arrays(Dataset):
    """An .npz file of named arrays of equal length, or a folder of .npy files.

    Each array is a column of a batch: `x` is what models observe, the others are there for whatever
    reads them. They stay as they are stored, and on disk where they take more than `memory`, unless
    they are packed: `np.savez` and `np.save` do not pack.

    Args:
        path: the file or folder.
        observed: which array models observe; a batch calls it `x`.
        columns: names of the arrays that are read; empty: all.
        support: what the values of arrays are, each as NAME:SUPPORT, such as `mask:binary`: `real`,
            `unit` (in [0, 1]), `levels` (grey levels from 0 on), `binary` or `label`. Of those not
            named, bytes are grey levels and bits are binary where an example has several, other
            integers are labels, and floats are real.
        split: which examples are held out.
        labelled: how many examples of a training batch have a label, which are those where the array
            `labelled` is 1, or those that `labels` draws; 0: as they come, of drawn ones as `FewLabels`
            says.
        factors: names of integer arrays, of which one varies within a training batch while the
            others are fixed; empty: as they come.
        memory: how much is held in memory, in bytes, KB, MB, GB or TB.
        labels, label_seed, unlabelled: of `FewLabels`; of the first array of labels that holds one of
            each example.
    """

    def __init__(
        self,
        *,
        path: str,
        observed: str,
        columns: list[str],
        support: list[str],
        split: Split,
        labelled: int,
        factors: list[str],
        memory: str | int,
        labels: Labels = "all",
        label_seed: int = 0,
        unlabelled: Unlabelled = "keep",
    ) -> None:
        split.check("Arrays", official=False)
        if labelled < 0:
            raise DataError(f"dataset.labelled={labelled}: at least 0. Use dataset.labelled=0.")
        self.few = FewLabels(labels, 0 if labels == "all" else labelled, label_seed, unlabelled)
        if labels != "all" and factors:
            raise DataError(
                f"dataset.labels={labels} and dataset.factors={literal(list(factors))} arrange batches in "
                "two ways. Use dataset.labels=all or dataset.factors=[]."
            )
        if labelled and factors:
            raise DataError(
                f"dataset.labelled={labelled} and dataset.factors={literal(list(factors))} arrange "
                "batches in two ways. Use dataset.labelled=0 or dataset.factors=[]."
            )
        self.path, self.observed, self.chosen = Path(path).expanduser(), observed, list(columns)
        self.declared, self.held_out, self.memory = supports(support), split, in_bytes(memory)
        self.labelled, self.factors = labelled, list(factors)

    @cached_property
    def arrays(self) -> dict[str, StoredArray]:
        """The arrays that are read, by their names in the file."""
        found = stored_arrays(self.path)
        for option, names in (("columns", self.chosen), ("factors", self.factors)):
            if line := unknown(f"dataset.{option}", names, found):
                raise DataError(line)
        for name in self.declared:
            if name not in found:
                raise DataError(
                    f"dataset.support=[{name}:…]: {self.path} holds {', '.join(found)}, not {name}"
                )
        read = {name: found[name] for name in self.chosen or found}
        self._check_rows(read)
        self._check_names(read)
        return read

    def _check_rows(self, read: Mapping[str, StoredArray]) -> None:
        numbers = [name for name, array in read.items() if array.has_numbers]
        for name, array in read.items():
            if name not in numbers:
                what = f"values of type {array.dtype}" if array.shape else "one value alone"
                kept = use(override("dataset.columns", numbers)) if numbers else ""
                raise DataError(f"{self.path}: {name} holds {what}, not a number a row.{kept}")
            first = numbers[0]
            if len(array) != len(read[first]) or not array.nbytes:
                size = f"{first} of shape {list(read[first].shape)}, {name} of {list(array.shape)}"
                raise DataError(f"{self.path} holds {size}: each is to have as many rows, and some")

    def _check_names(self, read: Mapping[str, StoredArray]) -> None:
        held = f"{self.path} holds {', '.join(read)}"
        if self.observed not in read:
            numbers = [n for n, a in read.items() if inferred(a) is not Support.LABEL]
            likely = [OBSERVED] if OBSERVED in read else numbers
            choices = use(*(override("dataset.observed", name) for name in likely))
            raise DataError(f"dataset.observed={self.observed}: {held}.{choices}")
        taken = TAKEN | ({OBSERVED} - {self.observed})
        for name in taken & read.keys():
            rest = override("dataset.columns", [other for other in read if other != name])
            raise DataError(f"{held}: {name} is what a batch calls something else.{use(rest)}")
        if self.few.labels != "all" and LABELLED in read:
            rest = override("dataset.columns", [other for other in read if other != LABELLED])
            raise DataError(
                f"dataset.labels={self.few.labels} makes a column labelled; {held}."
                f"{use('dataset.labels=all', rest)}"
            )
        if self.labelled and self.few.labels == "all" and LABELLED not in read:
            raise DataError(
                f"dataset.labelled={self.labelled} needs an array labelled of 0 and 1; {held}. "
                "Use dataset.labelled=0."
            )

    @cached_property
    def opened(self) -> dict[str, Opened]:
        """The columns by their names in a batch."""
        mapped = self.is_mapped
        return {
            self._called(name): opened(name, array, self.declared, mapped and array.is_mappable)
            for name, array in self.arrays.items()
        }

    def _called(self, name: str) -> str:
        """What a batch calls an array."""
        return OBSERVED if name == self.observed else name

    @property
    def is_mapped(self) -> bool:
        """Whether arrays stay on disk."""
        can = any(array.is_mappable for array in self.arrays.values())
        return can and self._size > self.memory

    @property
    def _size(self) -> int:
        return sum(array.nbytes for array in self.arrays.values())

    @cached_property
    def index(self) -> dict[str, Tensor]:
        """The examples of each part."""
        return self.held_out.indices(len(self.arrays[self.observed]))

    @cached_property
    def known(self) -> Tensor | None:
        """Training examples whose label is known; None: that of each, or there are no labels."""
        if self.few.labels == "all":
            return None
        name = next((name for name in self.arrays if self._is_of_each(name)), None)
        if name is None:
            return self.few.known(None)
        called = self._called(name)
        column = replace(self.opened[called].column, rows=self.index["train"])
        return self.few.known(self._integers(InMemorySplit({called: column}), name).flatten())

    def _is_of_each(self, name: str) -> bool:
        """Whether an array holds a label of each example."""
        return self.opened[self._called(name)].support is Support.LABEL and (
            len(self.arrays[name].shape) == 1
        )

    @cached_property
    def spec(self) -> Spec:
        train = self.split("train")
        labels = {n: o.levels for n, o in self.opened.items() if o.support is Support.LABEL}
        means, one = train.means(labels), train.batch(torch.arange(1))
        fields = {
            name: Field(tuple(one[name].shape[1:]), found.support, found.levels, means.get(name))
            for name, found in self.opened.items()
        }
        fields |= self.few.field(self.known, len(train))
        return Spec(fields, len(train), tuple(self.factors))

    def split(self, part: Part) -> Columns:
        rows = self.index[part]
        if part == "train" and (kept := self.few.kept(self.known)) is not None:
            rows = rows[kept]
        columns = {n: replace(found.column, rows=rows) for n, found in self.opened.items()}
        kind = MappedSplit if self.is_mapped else InMemorySplit
        arranged = kind(columns, self._arrangement(kind(columns)))
        return self.few.split(arranged, self.known, train=part == "train")

    def _arrangement(self, split: Columns) -> Arrangement:
        if self.factors:
            return ByFactor(torch.cat([self._integers(split, name) for name in self.factors], 1))
        if not self.labelled or self.few.labels != "all":
            return Shuffled()
        labelled = self._integers(split, LABELLED)
        if labelled.unique().tolist() != [0, 1]:
            raise DataError(
                f"{self.path}: labelled is to be 1 of some training examples, 0 of the others, and "
                "nothing else. Use dataset.labelled=0."
            )
        return ByLabel(labelled.flatten(), self.labelled)

    def _integers(self, split: Columns, name: str) -> Tensor:
        """A column of integers, `[N, *]`."""
        called = self._called(name)
        if (support := self.opened[called].support) is not Support.LABEL:
            label = use(declaring(self.declared, name, Support.LABEL))
            raise DataError(
                f"{self.path}: {name} arranges batches, and is to be labels, not {support.words}.{label}"
            )
        alone = replace(split, columns={called: split.columns[called]})
        return alone.batch(torch.arange(len(split)))[called].view(len(split), -1)

    @property
    def notes(self) -> list[str]:
        if self._size <= self.memory:
            return []
        size = f"the arrays take {self._size / 10**9:.3g} GB, more than dataset.memory"
        packed = "but are in memory all the same: they are packed, or stored column by column"
        return [f"{size}, and stay on disk" if self.is_mapped else f"{size}, {packed}"]

    @property
    def protocol(self) -> dict[str, Any]:
        return self.held_out.record(self.index) | {
            "observed": self.observed,
            "support": {name: found.support.value for name, found in self.opened.items()},
        }


def in_bytes(size: str | int) -> int:
    """A number of bytes from what was said of it.

    Raises:
        DataError: it says no size.

    >>> in_bytes("1.5GB")
    1500000000
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]B)?", str(size).upper())
    if not found:
        raise DataError(
            f"dataset.memory={size}: a size such as 500MB or 4GB was expected. Use dataset.memory=4GB."
        )
    return int(float(found[1]) * UNITS[found[2] or ""])
