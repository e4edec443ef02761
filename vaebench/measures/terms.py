"""What an objective says of held-out examples: means of its terms, and the Helmholtz free energy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vaebench.data import Batch
from vaebench.data.seeds import EVALUATION, derived, seeded
from vaebench.inference import batch_size
from vaebench.measures.base import Measure, Numbers, Subject
from vaebench.measures.latents import Latents
from vaebench.models import Model
from vaebench.objectives import Objective
from vaebench.trace import Evidence


class Means:
    """Means over examples, summed on the device and read once."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.total: Tensor | None = None
        self.count = 0

    def add(self, terms: dict[str, Tensor], size: int) -> None:
        """Adds a batch's means; the same names at every call."""
        means = torch.stack([term.detach().mean() for term in terms.values()])
        self.add_sums(list(terms), means * size, size)

    def add_sums(self, names: list[str], sums: Tensor, size: int) -> None:
        """Adds sums `[T]` over so many examples."""
        self.names = names
        self.total = sums if self.total is None else self.total + sums
        self.count += size

    def state(self) -> dict[str, Any]:
        """Plain values and tensors, for a checkpoint."""
        return {"names": self.names, "total": self.total, "count": self.count}

    def load(self, state: dict[str, Any]) -> None:
        """What `state` gave."""
        self.names, self.total, self.count = state["names"], state["total"], state["count"]

    def over(self, sum_over_processes: Callable[[Tensor], Tensor]) -> Means:
        """The means over the examples of all processes."""
        assert self.total is not None
        both = sum_over_processes(torch.cat([self.total, self.total.new_tensor([self.count])]))
        self.total, self.count = both[:-1], round(both[-1].item())
        return self

    def read(self) -> dict[str, float]:
        """Name → mean, and a fresh start."""
        values = [] if self.total is None else (self.total / self.count).tolist()
        self.total, self.count = None, 0
        return dict(zip(self.names, values, strict=True))


def free_energy(evidence: Evidence) -> dict[str, Tensor]:
    """F = ⟨E⟩ - H, `[B]` each: the mean energy E = -log p(x, z) under q, less q's entropy.

    -F is the evidence lower bound, whatever bound was trained.

    References:
        The Helmholtz Machine (Dayan, Hinton, Neal, Zemel 1995)
    """
    log_w = evidence.average(evidence.log_w.detach())
    log_q = evidence.average(evidence.log_q.detach())
    return {"free_energy": -log_w, "energy": -(log_w + log_q), "entropy": -log_q}


class HeldOut:
    """Accumulates, over the batches of a pass, the loss and terms of an objective, the free energy
    of a model that has one, and what each latent dimension does."""

    def __init__(self, model: Model, objective: Objective) -> None:
        self.model, self.objective = model, objective
        self.means, self.latents = Means(), Latents(model)

    def add(self, batch: Batch, step: Tensor) -> None:
        """A batch, as the objective sees it at a step."""
        estimate = self.objective(self.model, batch, step)
        terms = {"loss": estimate.loss} | estimate.terms
        if self.model.has_free_energy:
            terms |= free_energy(estimate.evidence)
        self.means.add(terms, batch_size(batch))
        self.latents.add(batch, estimate.evidence)

    def read(self) -> Numbers:
        """Means over the examples, and of the latents `kl/z.d` and `active_units`."""
        return self.means.read() | self.latents.read()


@dataclass
class Terms(Measure):
    """The objective's `loss` and terms, `bound`, `recon` and `kl` among them, `active_units` and the
    KL of each dimension: what validation tells of a run, with the same draws."""

    examples: int = 0

    @torch.no_grad()
    def numbers(self, subject: Subject) -> Numbers:
        found = HeldOut(subject.model, subject.composition.objective)
        with seeded(subject.device, derived(subject.seed, EVALUATION)):
            for batch in subject.batches(self.examples):
                found.add(batch, torch.tensor(subject.step))
        examples = found.means.count
        return found.read() | {"examples": examples}
