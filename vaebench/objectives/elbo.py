"""The evidence lower bound."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from vaebench.chosen import chosen
from vaebench.data import Spec
from vaebench.errors import Incompatible
from vaebench.inference import infer
from vaebench.models import Model
from vaebench.objectives.base import Batch, Estimate, Weighted
from vaebench.objectives.divergence import KL, Divergence
from vaebench.trace import Evidence


class ELBO(Weighted):
    """L = E_q[log p(x | z)] - β KL(q(z | x) ‖ p(z)), averaged over k samples.

    With free bits λ > 0 the loss counts Σ_j max(λ, E_batch KL_j) in place of the KL, so that
    nothing is gained by making a dimension or site j carry less than λ nats. The reported bound
    stays the plain one.

    Args:
        kl: `analytic`: the closed form; `mc`: from the same k samples; `auto`: the closed form
            where q and p have one, else `mc`. The run says which it was.
        free_bits: λ ≥ 0, in nats; 0: none.
        free_bits_per: what j runs over: each `dimension` of each latent, or each `site`.
        **shared: beta, anneal, k and weight_sd.

    References:
        Auto-Encoding Variational Bayes (Kingma, Welling 2014), https://arxiv.org/abs/1312.6114
        β-VAE (Higgins, Matthey, Pal et al. 2017)
        Free bits: Improving Variational Inference with Inverse Autoregressive Flow (Kingma,
        Salimans, Jozefowicz, Chen, Sutskever, Welling 2016), https://arxiv.org/abs/1606.04934
    """

    def __init__(
        self,
        model: Model,
        spec: Spec,
        *,
        kl: KL,
        free_bits: float,
        free_bits_per: Literal["dimension", "site"],
        **shared: Any,
    ) -> None:
        super().__init__(model, spec, **shared)
        if free_bits < 0:
            raise Incompatible(f"objective.free_bits={free_bits}: must not be negative")
        self.kl = Divergence(kl, model, spec)
        self.notes.extend(self.kl.notes)
        self.free_bits, self.per_dimension = free_bits, free_bits_per == "dimension"
        if free_bits and self.per_dimension:
            _check_dimensions(infer(model, spec.example(), 1))

    def estimate(self, model: Model, batch: Batch, step: Tensor) -> Estimate:
        evidence = infer(model, batch, self.k)
        recon, kl = evidence.recon.mean(0), self.kl(evidence).mean(0)
        charged = self.free(evidence) if self.free_bits else kl.mean()
        loss = self.weight(step) * charged - recon.mean()
        recon, kl = recon.detach(), kl.detach()
        return Estimate(loss, {"bound": recon - kl, "recon": recon, "kl": kl}, evidence)

    def free(self, evidence: Evidence) -> Tensor:
        """Σ_j max(λ, E_batch KL_j), a scalar."""
        means = [self._means(evidence, name) for name in evidence.latents]
        return torch.cat(means).clamp(min=self.free_bits).sum()

    def _means(self, evidence: Evidence, name: str) -> Tensor:
        """KL_j averaged over samples and examples, `[J]`, for the dimensions or the one site."""
        if not self.per_dimension:
            return self.kl.at(evidence, name).mean().view(1)
        kl = evidence.kl_by_dimension(name)
        assert kl is not None  # the constructor made sure
        return kl.reshape(-1, evidence.q[name].dist.event_shape.numel()).mean(0)


def _check_dimensions(evidence: Evidence) -> None:
    for name in evidence.latents:
        obstacle = evidence.kl_obstacle()
        if obstacle is None and evidence.kl_by_dimension(name) is not None:
            continue
        pair = " ‖ ".join(type(t[name].dist).__name__ for t in (evidence.q, evidence.p))
        raise Incompatible(
            "objective.free_bits_per=dimension needs a KL that is a sum over dimensions in closed "
            f"form; KL({pair}) at site {name!r}, of {chosen('posterior')} and {chosen('prior')}, "
            "is none. Use objective.free_bits_per=site."
        )
