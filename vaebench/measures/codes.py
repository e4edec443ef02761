"""Codes and labels of many examples."""

from __future__ import annotations

import torch
from torch import Tensor

from vaebench.data import Batch, Part
from vaebench.inference import encode
from vaebench.measures.base import Subject, over_batches


def codes(
    subject: Subject, examples: int, part: Part | None = None
) -> tuple[Tensor, Tensor | None]:
    """E_q[z | x] of the examples, all latents side by side `[N, D]`, and their labels `[N]` where
    the data have any."""

    def run(batch: Batch) -> Batch:
        means = encode(subject.model, batch)
        z = torch.cat([means[name].flatten(1) for name in subject.latents], 1)
        return {"z": z} if subject.label is None else {"z": z, "y": batch[subject.label]}

    found = over_batches(subject.batches(examples, part), run)
    return found["z"], found.get("y")
