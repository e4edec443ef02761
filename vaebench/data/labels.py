"""Which training labels are known, where few of them are, and which classes are left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import torch
from torch import Tensor

from vaebench.data.access import integers
from vaebench.data.arrangement import ByLabel
from vaebench.data.columns import Column, Columns
from vaebench.data.seeds import LABELS, derived
from vaebench.data.spec import LABELLED, Field, Support
from vaebench.errors import DataError
from vaebench.suggest import override, use

Kind = TypeVar("Kind", bound=Columns)

Labels = int | Literal["all"]
"""Of how many training examples the label is known."""

Unlabelled = Literal["keep", "drop"]
"""What becomes of the other training examples."""


@dataclass(frozen=True)
class FewLabels:
    """Which training examples have a label that may be learned from, and what becomes of the others.

    Args:
        labels: of how many training examples the label is known, balanced over classes. A batch then
            has a column `labelled`, which is 1 of these and 0 of all others, and an epoch each
            training example without a label once; held-out examples are without one, and keep
            their labels for measures.
        labelled: labelled examples of a training batch; 0: their share, and at least a tenth of it.
        label_seed: of the draw of labels.
        unlabelled: whether the other training examples are there. Dropped, the labelled ones are all
            that there is, and there is no column `labelled`.

    Raises:
        DataError: one of them has nothing to do.
    """

    labels: Labels = "all"
    labelled: int = 0
    label_seed: int = 0
    unlabelled: Unlabelled = "keep"

    def __post_init__(self) -> None:
        if self.labelled < 0:
            raise DataError(
                f"dataset.labelled={self.labelled}: at least 0. Use dataset.labelled=0."
            )
        if self.labelled and (self.labels == "all" or self.unlabelled == "drop"):
            why = "dataset.labels=all" if self.labels == "all" else "dataset.unlabelled=drop"
            raise DataError(
                f"dataset.labelled={self.labelled} of a batch are to have a label, and with {why} each "
                "has one. Use dataset.labelled=0."
            )

    def known(self, y: Tensor | None) -> Tensor | None:
        """Training examples whose label is known; None: that of each, or there are no labels.

        Args:
            y: labels of the training examples, `[N]`; None: they have none.
        """
        if self.labels == "all" or (y is not None and self.labels == len(y)):
            return None
        return balanced(y, self.labels, self.label_seed)

    def kept(self, known: Tensor | None) -> Tensor | None:
        """The training examples that are there; None: all."""
        return known if self.unlabelled == "drop" else None

    def field(self, known: Tensor | None, size: int) -> dict[str, Field]:
        """Of the column `labelled`, where there is one.

        Args:
            size: training examples that are there.
        """
        if known is None or self.unlabelled == "drop":
            return {}
        share = len(known) / size
        return {LABELLED: Field((), Support.LABEL, 2, torch.tensor([1 - share, share]))}

    def split(self, split: Kind, known: Tensor | None, *, train: bool) -> Kind:
        """A split with, where there is one, the column `labelled`, and arranged by it.

        Args:
            train: whether it is the training split.
        """
        if known is None or self.unlabelled == "drop":
            return split
        marks = torch.zeros(len(split), dtype=torch.uint8)
        if train:
            marks[known] = 1
        columns = {**split.columns, LABELLED: Column(marks, integers)}
        by_label = ByLabel(marks, self.labelled) if train else split.arrangement
        return replace(split, columns=columns, arrangement=by_label)


def balanced(y: Tensor | None, labels: int, seed: int, option: str = "dataset.labels") -> Tensor:
    """Examples that keep their label, as many of each class, or one more of some that are drawn too:
    a random part of each class; ascending, `[labels]`.

    Args:
        y: labels, `[N]`; None: there are none.
        labels: how many.
        seed: of the draw.
        option: that says how many.

    Raises:
        DataError: there are none, they are fewer than classes, or a class has too few.
    """
    if y is None:
        raise DataError(f"{option}={labels}: the data have no labels. Use {option}=all.")
    classes, generator = y.unique(), torch.Generator().manual_seed(derived(seed, LABELS))
    if labels < len(classes):
        least = use(override(option, len(classes)))
        raise DataError(f"{option}={labels}: there are {len(classes)} classes.{least}")
    wanted = torch.full((len(classes),), labels // len(classes))
    more = torch.randperm(len(classes), generator=generator)[: labels % len(classes)]
    wanted[more] += 1
    drawn = []
    for label, count in zip(classes, wanted.tolist(), strict=True):
        own = (y == label).nonzero().squeeze(1)
        if len(own) < count:
            most = use(override(option, len(own) * len(classes)))
            told = f"{option}={labels}: {count} are of class {label}, which has {len(own)} examples"
            raise DataError(f"{told}.{most}")
        drawn.append(own[torch.randperm(len(own), generator=generator)[:count]])
    return torch.cat(drawn).sort().values


def check_without(y: Tensor | None, classes: Sequence[int]) -> None:
    """Refuses to leave classes out that are not there, or all of them.

    Args:
        y: labels, `[N]`; None: there are none.
        classes: that are to be left out, at least one.

    Raises:
        DataError: there are no labels, no such class, or no other.
    """
    option, every = override("dataset.without", list(classes)), use("dataset.without=[]")
    if y is None:
        raise DataError(f"{option}: the data have no labels.{every}")
    known = y.unique().tolist()
    if missing := [label for label in classes if label not in known]:
        told = ", ".join(map(str, known))
        raise DataError(f"{option}: no class {missing[0]}; there are {told}.{every}")
    if set(known) <= set(classes):
        raise DataError(f"{option}: no class is left to train on.{every}")


def rows_of(y: Tensor, classes: Sequence[int], *, inside: bool) -> Tensor:
    """Examples of some classes, or of all others, ascending.

    >>> rows_of(torch.tensor([3, 1, 3, 2]), [3], inside=True).tolist()
    [0, 2]
    """
    return (torch.isin(y, torch.tensor(classes)) == inside).nonzero().squeeze(1)
