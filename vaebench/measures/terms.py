"""What an objective says of held-out examples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vaebench.data import Batch
from vaebench.data.seeds import EVALUATION, derived, seeded
from vaebench.inference import batch_size
from vaebench.measures.base import Measure, Numbers, Subject
from vaebench.measures.energy import free_energy
from vaebench.measures.latents import Latents
from vaebench.measures.means import Means
from vaebench.models import Model
from vaebench.objectives import Objective


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
