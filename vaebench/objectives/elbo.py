"""The evidence lower bound."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor

from vaebench.data import Spec
from vaebench.errors import Incompatible
from vaebench.inference import infer
from vaebench.models import Model
from vaebench.objectives.base import Batch, Estimate, Weighted
from vaebench.trace import Evidence


class ELBO(Weighted):
    """L = E_q[log p(x | z)] - β KL(q(z | x) ‖ p(z)), averaged over k samples.

    Args:
        kl: `analytic`: the closed form; `mc`: from the same k samples; `auto`: the closed form
            where q and p have one, else `mc`. The run says which it was.
        **shared: beta, anneal, k and weight_sd.

    References:
        Auto-Encoding Variational Bayes (Kingma, Welling 2014), https://arxiv.org/abs/1312.6114
        β-VAE (Higgins, Matthey, Pal et al. 2017)
    """

    def __init__(
        self,
        model: Model,
        spec: Spec,
        *,
        kl: Literal["auto", "analytic", "mc"],
        **shared: Any,
    ) -> None:
        super().__init__(model, spec, **shared)
        obstacle = None if kl == "mc" else infer(model, spec.example(), 1).kl_obstacle()
        if obstacle and kl == "analytic":
            raise Incompatible(f"objective.kl=analytic: {obstacle}. Use objective.kl=mc.")
        if obstacle:
            self.notes.append(f"objective.kl is estimated from the k samples: {obstacle}")
        self.analytic = kl != "mc" and obstacle is None

    def kl(self, evidence: Evidence) -> Tensor:
        """KL(q ‖ p) or its estimate, `[k, B]`."""
        return evidence.kl() if self.analytic else evidence.recon - evidence.log_w

    def estimate(self, model: Model, batch: Batch, step: Tensor) -> Estimate:
        evidence = infer(model, batch, self.k)
        recon, kl = evidence.recon.mean(0), self.kl(evidence).mean(0)
        loss = (self.weight(step) * kl - recon).mean()
        recon, kl = recon.detach(), kl.detach()
        return Estimate(loss, {"bound": recon - kl, "recon": recon, "kl": kl})
