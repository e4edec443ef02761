"""β KL(q ‖ p)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from vaebench.objectives.estimators import Terms, summed
from vaebench.objectives.regularizers.base import Regularizer
from vaebench.objectives.regularizers.divergence import Divergence
from vaebench.objectives.weighing import Weighing, told
from vaebench.trace import Evidence


class KL(Regularizer):
    """β E[KL(q(z | x) ‖ p(z))], annealed.

    At the inverse temperature a it is β (a KL - (1 - a) H[q(z | x)]) + (1 - a) log p(x | z), so that
    f = a log p(x, z) - log q(z | x) at β = 1; the entropy is estimated from the samples.

    Args:
        divergence: the KL.
        weighing: β and its annealing.

    References:
        β-VAE (Higgins, Matthey, Pal et al. 2017)
    """

    linear: ClassVar[bool] = True

    def __init__(self, divergence: Divergence, weighing: Weighing) -> None:
        super().__init__()
        self.divergence, self.weighing = divergence, weighing

    def charges(self, evidence: Evidence, step: Tensor) -> Terms:
        kl = self.divergence.charges(evidence)
        weight = self.weighing.at(step, training=self.training)
        if weight is None:
            return kl
        beta, a = weight
        if a is None:
            return {name: beta * charge for name, charge in kl.items()}
        for name in evidence.latents:  # E[log q - a log p] = a KL + (1 - a) E[log q]
            log_q = evidence.q[name].log_prob
            kl[f"kl {name}"] = a * kl[f"kl {name}"] + (1 - a) * log_q
        cooled = {f"cooled {s.name}": (1 - a) * s.log_prob for s in evidence.observed}
        return cooled | {name: beta * charge for name, charge in kl.items()}

    def cost(self, evidence: Evidence, step: Tensor) -> Tensor:
        charges = summed(self.charges(evidence, step)).detach()
        return evidence.average(charges).mean()

    def told(self, evidence: Evidence, step: Tensor) -> dict[str, Tensor]:
        weight = self.weighing.at(step, training=self.training)
        return told(weight, evidence.recon, training=self.training)
