"""What a sample costs."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from vaebench.inference import batch_size, conditions, drawn, simulate
from vaebench.measures.base import Measure, Numbers, Subject


@dataclass
class Sampling(Measure):
    """Wall time of a sample from the model, in milliseconds an example, where so many are drawn
    together: z ~ p(z), x ~ p(x | z); of an autoregressive density one entry after the other.
    """

    examples: int = 64

    def need(self, subject: Subject) -> None:
        subject.need_bound()

    @torch.no_grad()
    def numbers(self, subject: Subject) -> Numbers:
        batch, noise = subject.batch(self.examples), subject.noise(10)
        given, size = conditions(subject.model, batch), batch_size(batch)
        one = {name: value[:1] for name, value in given.items()}
        simulate(subject.model, 1, one, noise)  # what is made ready once is no part of it
        begun = time.perf_counter()
        trace = simulate(subject.model, size, given, noise)
        for name in subject.roles[1]:
            drawn(trace, name).cpu()  # a GPU is waited for
        seconds = time.perf_counter() - begun
        return {"milliseconds": 1000 * seconds / size, "examples": size}
