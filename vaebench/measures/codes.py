"""Codes and labels of many examples."""

from __future__ import annotations

import torch
from torch import Tensor

from vaebench.data import Part, Support
from vaebench.inference import encode
from vaebench.measures.base import Inapplicable, Subject


def label_of(subject: Subject) -> str:
    """The name of the label in a batch.

    Raises:
        Inapplicable: there is none.
    """
    fields = subject.composition.data.spec.fields
    labels = [name for name, f in fields.items() if f.support is Support.LABEL and not f.shape]
    if not labels:
        raise Inapplicable("the data have no labels")
    return labels[0]


def codes(
    subject: Subject, examples: int, part: Part | None = None
) -> tuple[Tensor, Tensor | None]:
    """E_q[z | x] of the examples, all latents side by side `[N, D]`, and their labels `[N]` where
    the data have any."""
    try:
        label: str | None = label_of(subject)
    except Inapplicable:
        label = None
    z, y = [], []
    for batch in subject.batches(examples, part):
        means = encode(subject.composition.model, batch)
        z.append(torch.cat([means[name].flatten(1) for name in subject.latents], 1).cpu())
        if label is not None:
            y.append(batch[label].cpu())
    return torch.cat(z), torch.cat(y) if y else None
