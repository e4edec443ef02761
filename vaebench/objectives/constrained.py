"""Reconstruction under a limit on the KL."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaebench.data import Spec
from vaebench.errors import Incompatible
from vaebench.inference import infer
from vaebench.models import Model
from vaebench.objectives.base import Batch, Estimate, Objective, honest
from vaebench.objectives.divergence import KL, Divergence


class Constrained(Objective):
    """max E[log p(x | z)] subject to E[KL(q(z | x) ‖ p(z))] < δ: the form that β-VAE comes from.

    One descent step on the parameters and one ascent step on the multiplier λ ≥ 0 of the
    Lagrangian -E[log p(x | z)] + λ (E[KL] - δ), in the same backward pass. λ plays β's part and
    is found instead of chosen; it is reported as `multiplier`, and the bound is the plain one.

    Args:
        limit: δ ≥ 0, in nats.
        kl: as in the evidence lower bound.
        multiplier: λ at the start, positive.
        multiplier_lr: learning rate of λ (of its softplus preimage).
        **shared: k and weight_sd.

    References:
        β-VAE (Higgins, Matthey, Pal et al. 2017), eq. 2
        Taming VAEs (Rezende, Viola 2018), https://arxiv.org/abs/1810.00597
    """

    def __init__(
        self,
        model: Model,
        spec: Spec,
        *,
        limit: float,
        kl: KL,
        multiplier: float,
        multiplier_lr: float,
        **shared: Any,
    ) -> None:
        super().__init__(model, spec, **shared)
        if limit < 0:
            raise Incompatible(f"objective.limit={limit}: must not be negative")
        for name, value in (("multiplier", multiplier), ("multiplier_lr", multiplier_lr)):
            if value <= 0:
                raise Incompatible(f"objective.{name}={value}: must be positive")
        self.kl = Divergence(kl, model, spec)
        self.notes.extend(self.kl.notes)
        self.limit, self.multiplier_lr = limit, multiplier_lr
        self.preimage = nn.Parameter(torch.tensor(multiplier + math.log(-math.expm1(-multiplier))))

    def estimate(self, model: Model, batch: Batch, step: Tensor) -> Estimate:
        evidence = infer(model, batch, self.k)
        recon, kl = evidence.recon.mean(0), self.kl(evidence).mean(0)
        multiplier, excess = F.softplus(self.preimage), kl.mean() - self.limit
        lagrangian = multiplier.detach() * excess - recon.mean()
        # Descending on minus λ's term is ascending on the Lagrangian.
        loss = honest(lagrangian, lagrangian - multiplier * excess.detach())
        recon, kl, multiplier = recon.detach(), kl.detach(), multiplier.detach()
        terms = {"bound": recon - kl, "recon": recon, "kl": kl, "multiplier": multiplier}
        return Estimate(loss, terms, evidence)

    def groups(self) -> list[dict[str, Any]]:
        return [{"params": [self.preimage], "lr": self.multiplier_lr, "weight_decay": 0.0}]
