"""Reconstruction under a limit on the KL."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaebench.data import Batch
from vaebench.errors import Incompatible
from vaebench.inference import Outline
from vaebench.models import Model
from vaebench.objectives.base import Estimate
from vaebench.objectives.bounds import Mean
from vaebench.objectives.divergence import KL, Divergence
from vaebench.objectives.estimated import Estimated, MakesEstimator
from vaebench.objectives.estimators import Terms, auto, with_gradient_of
from vaebench.trace import Evidence


class Constrained(Estimated):
    """max E[log p(x | z)] subject to E[KL(q(z | x) ‖ p(z))] < δ: the form that β-VAE comes from.

    One descent step on the parameters and one ascent step on the multiplier λ ≥ 0 of the
    Lagrangian -E[log p(x | z)] + λ (E[KL] - δ), in the same backward pass. λ plays β's part and
    is found instead of chosen; it is reported as `multiplier`, and the bound is the plain one.

    Args:
        k, estimator: of every `Estimated` objective.
        limit: δ ≥ 0, in nats.
        kl: as in the evidence lower bound.
        multiplier: λ at the start, positive.
        multiplier_lr: learning rate of λ (of its softplus preimage).

    References:
        β-VAE (Higgins, Matthey, Pal et al. 2017), eq. 2
        Taming VAEs (Rezende, Viola 2018), https://arxiv.org/abs/1810.00597
    """

    scored: ClassVar[bool] = False  # not where its KL is a closed form, nor needed where it is not

    def __init__(
        self,
        model: Model,
        outline: Outline,
        *,
        k: int,
        estimator: MakesEstimator = auto,
        limit: float,
        kl: KL,
        multiplier: float,
        multiplier_lr: float,
    ) -> None:
        super().__init__(model, outline, k=k, estimator=estimator)
        if limit < 0:
            raise Incompatible(f"objective.limit={limit}: must not be negative")
        for name, value in (("multiplier", multiplier), ("multiplier_lr", multiplier_lr)):
            if value <= 0:
                raise Incompatible(f"objective.{name}={value}: must be positive")
        self.kl = Divergence(kl, outline)
        self.notes.extend(self.kl.notes)
        self.limit, self.multiplier_lr = limit, multiplier_lr
        self.preimage = nn.Parameter(torch.tensor(multiplier + math.log(-math.expm1(-multiplier))))
        self.prepare(model, outline, Mean(), partial(self.read, multiplier=1.0))

    def estimate(self, model: Model, batch: Batch, step: Tensor) -> Estimate:
        multiplier = F.softplus(self.preimage)
        fixed = multiplier.detach()
        read = partial(self.read, multiplier=fixed)
        found = self.estimator(model, batch, self.k, read, self.bound)
        evidence = found.evidence
        recon, kl = evidence.recon.detach().mean(0), self.kl(evidence).detach().mean(0)
        excess = kl.mean() - self.limit
        # Descending on minus λ's term is ascending on the Lagrangian.
        loss = with_gradient_of(
            fixed * excess - recon.mean(), self.loss(found) - multiplier * excess
        )
        terms = {"bound": recon - kl, "recon": recon, "kl": kl, "multiplier": fixed}
        return Estimate(loss, terms, evidence)

    def read(self, evidence: Evidence, multiplier: Tensor | float) -> Terms:
        """log p(x | z), and -λ KL at each latent, `[k, B]` each."""
        charges = {f"kl {name}": self.kl.at(evidence, name) for name in evidence.latents}
        if evidence.correction is not None:
            charges["correction"] = evidence.correction
        recon = {site.name: site.log_prob for site in evidence.observed}
        return recon | {name: -multiplier * charge for name, charge in charges.items()}

    def groups(self) -> list[dict[str, Any]]:
        multiplier = {"params": [self.preimage], "lr": self.multiplier_lr, "weight_decay": 0.0}
        return [multiplier, *super().groups()]
