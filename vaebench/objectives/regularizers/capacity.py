"""A KL that is held at a value."""

from __future__ import annotations

import torch
from torch import Tensor

from vaebench.errors import Incompatible
from vaebench.objectives.anneal import Anneal
from vaebench.objectives.regularizers.divergence import Divergence
from vaebench.objectives.regularizers.priced import Priced
from vaebench.trace import Evidence


class Capacity(Priced):
    """γ |E[KL] - C(t)|, with C(t) rising to C.

    Args:
        divergence: the KL.
        capacity: C ≥ 0, in nats.
        gamma: γ ≥ 0.
        anneal: the share of C at a training step; an evaluation holds the KL to all of it.

    References:
        Understanding Disentangling in β-VAE (Burgess, Higgins, Pal, Matthey, Watters, Desjardins,
        Lerchner 2018), https://arxiv.org/abs/1804.03599, eq. 8
    """

    def __init__(
        self, divergence: Divergence, *, capacity: float, gamma: float, anneal: Anneal
    ) -> None:
        super().__init__(divergence)
        for name, value in (("capacity", capacity), ("gamma", gamma)):
            if value < 0:
                raise Incompatible(f"objective.{name}={value}: must not be negative")
        if anneal.tempers and not anneal.constant:
            raise Incompatible(
                "this anneal is of log p(x, z), and this objective anneals a capacity.",
                "anneal",
                "objective",
            )
        self.capacity, self.gamma, self.anneal = capacity, gamma, anneal

    def at(self, step: Tensor) -> Tensor:
        """C(t)."""
        share = self.anneal(step) if self.training else torch.ones(())
        return self.capacity * share

    def slope(self, mean: Tensor, step: Tensor) -> Tensor:
        return self.gamma * (mean - self.at(step).to(mean)).sign()

    def cost(self, evidence: Evidence, step: Tensor) -> Tensor:
        mean = self.mean(evidence)
        return self.gamma * (mean - self.at(step).to(mean)).abs()

    def told(self, evidence: Evidence, step: Tensor) -> dict[str, Tensor]:
        if not self.training or self.anneal.constant:
            return {}
        return {"capacity": self.at(step).to(evidence.recon)}
