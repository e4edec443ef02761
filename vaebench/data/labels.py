"""Which training labels are known, where few of them are."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from vaebench.data.seeds import LABELS, derived
from vaebench.errors import DataError
from vaebench.suggest import override, use

Labels = int | Literal["all"]
"""Of how many training examples the label is known."""

Unlabelled = Literal["keep", "drop"]
"""What becomes of the other training examples."""


def check_labels(labels: Labels, labelled: int, unlabelled: Unlabelled) -> None:
    """Refuses options that have nothing to do.

    Args:
        labels: of how many training examples the label is known.
        labelled: of a batch; 0: their share.
        unlabelled: what becomes of the others.
    """
    if labelled < 0:
        raise DataError(f"dataset.labelled={labelled}: at least 0. Use dataset.labelled=0.")
    if labelled and (labels == "all" or unlabelled == "drop"):
        why = "dataset.labels=all" if labels == "all" else "dataset.unlabelled=drop"
        raise DataError(
            f"dataset.labelled={labelled} of a batch are to have a label, and with {why} each has one. "
            "Use dataset.labelled=0."
        )


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


def marked(known: Tensor, size: int) -> Tensor:
    """1 of the examples that are `known`, else 0, in bytes `[size]`."""
    return torch.zeros(size, dtype=torch.uint8).index_fill(0, known, 1)
