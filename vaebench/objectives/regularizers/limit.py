"""A limit on the KL, with a multiplier that is found."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaebench.errors import Incompatible
from vaebench.objectives.estimators import with_gradient_of
from vaebench.objectives.regularizers.divergence import Divergence
from vaebench.objectives.regularizers.priced import Priced
from vaebench.trace import Evidence


class Limit(Priced):
    """λ (E[KL] - δ), with λ ≥ 0 ascending as all else descends: E[KL] < δ at the saddle point.

    Args:
        divergence: the KL.
        limit: δ ≥ 0, in nats.
        multiplier: λ at the start, positive.
        lr: learning rate of λ (of its softplus preimage).

    References:
        β-VAE (Higgins, Matthey, Pal et al. 2017), eq. 2
        Taming VAEs (Rezende, Viola 2018), https://arxiv.org/abs/1810.00597
    """

    def __init__(
        self, divergence: Divergence, *, limit: float, multiplier: float, lr: float
    ) -> None:
        super().__init__(divergence)
        if limit < 0:
            raise Incompatible(f"objective.limit={limit}: must not be negative")
        for name, value in (("multiplier", multiplier), ("multiplier_lr", lr)):
            if value <= 0:
                raise Incompatible(f"objective.{name}={value}: must be positive")
        self.limit, self.lr = limit, lr
        self.preimage = nn.Parameter(torch.tensor(multiplier + math.log(-math.expm1(-multiplier))))

    def slope(self, mean: Tensor, step: Tensor) -> Tensor:
        return F.softplus(self.preimage).detach()

    def cost(self, evidence: Evidence, step: Tensor) -> Tensor:
        multiplier, excess = F.softplus(self.preimage), self.mean(evidence) - self.limit
        # Descending on minus λ's term is ascending on the Lagrangian.
        return with_gradient_of(multiplier * excess, -multiplier * excess)

    def told(self, evidence: Evidence, step: Tensor) -> dict[str, Tensor]:
        return {"multiplier": F.softplus(self.preimage).detach()}

    def groups(self) -> list[dict[str, Any]]:
        return [{"params": [self.preimage], "lr": self.lr, "weight_decay": 0.0}]
