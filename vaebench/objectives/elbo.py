"""The evidence lower bound."""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
from torch import Tensor

from vaebench.data import Batch
from vaebench.errors import Incompatible
from vaebench.inference import Outline
from vaebench.models import Model
from vaebench.objectives.anneal import Anneal
from vaebench.objectives.base import Estimate
from vaebench.objectives.bounds import Mean
from vaebench.objectives.divergence import KL, Divergence
from vaebench.objectives.estimated import MakesEstimator, Weight, Weighted
from vaebench.objectives.estimators import Terms, auto, with_gradient_of
from vaebench.trace import Evidence


class ELBO(Weighted):
    """L = E_q[log p(x | z)] - β KL(q(z | x) ‖ p(z)), averaged over k samples.

    With free bits λ > 0 the loss counts Σ_j max(λ, E_batch KL_j) in place of the KL, so that
    nothing is gained by making a dimension or site j carry less than λ nats. At the inverse
    temperature a it is a L + (1 - a) β H[q(z | x)], whose entropy is estimated from the k samples:
    E_q[a log p(x, z) - log q(z | x)] at β = 1. The reported bound stays the plain one.

    Args:
        k, estimator, beta, anneal: of every `Weighted` objective.
        kl: `analytic`: the closed form; `mc`: from the same k samples; `auto`: the closed form
            where q and p have one, else `mc`. The run says which it was.
        free_bits: λ ≥ 0, in nats; 0: none.
        free_bits_per: what j runs over: each `dimension` of each latent, or each `site`.

    References:
        Auto-Encoding Variational Bayes (Kingma, Welling 2014), https://arxiv.org/abs/1312.6114
        β-VAE (Higgins, Matthey, Pal et al. 2017)
        Free bits: Improving Variational Inference with Inverse Autoregressive Flow (Kingma,
        Salimans, Jozefowicz, Chen, Sutskever, Welling 2016), https://arxiv.org/abs/1606.04934
    """

    def __init__(
        self,
        model: Model,
        outline: Outline,
        *,
        k: int,
        estimator: MakesEstimator = auto,
        beta: float,
        anneal: Anneal,
        kl: KL,
        free_bits: float,
        free_bits_per: Literal["dimension", "site"],
    ) -> None:
        super().__init__(model, outline, k=k, estimator=estimator, beta=beta, anneal=anneal)
        if free_bits < 0:
            raise Incompatible(f"objective.free_bits={free_bits}: must not be negative")
        if free_bits and self.tempers:
            raise Incompatible(
                f"objective.free_bits={free_bits} with this anneal: a tempered log p(x, z) "
                "leaves no KL of which some nats could be free.",
                "anneal",
                options=("objective.free_bits=0",),
            )
        self.kl = Divergence(_sampled(kl) if self.drops_score else kl, outline)
        self.notes.extend(self.kl.notes)
        self.free_bits, self.per_dimension = free_bits, free_bits_per == "dimension"
        if free_bits and self.per_dimension and self.drops_score:
            raise Incompatible(
                "objective.free_bits_per=dimension with this estimator: a closed form has no "
                "score of q to drop.",
                options=("objective.free_bits_per=site",),
            )
        if free_bits and self.per_dimension:
            _check_dimensions(outline)
        # What a latent enters is to be found with all that training reads.
        weight = self.weight(torch.tensor(0))
        self.prepare(model, outline, Mean(), partial(self.read, weight=weight))

    def estimate(self, model: Model, batch: Batch, step: Tensor) -> Estimate:
        weight = self.weight(step)
        found = self.estimator(model, batch, self.k, partial(self.read, weight=weight), self.bound)
        loss, evidence = self.loss(found), found.evidence
        with torch.no_grad():
            recon = evidence.recon.mean(0)
            told = weight is None and not self.free_bits and not self.kl.analytic
            kl = recon - found.surrogate if told else self.kl(evidence).mean(0)
        if self.free_bits:
            beta = 1.0 if weight is None else weight.beta
            charged = self.free(evidence)
            if evidence.correction is not None:
                charged = charged + evidence.correction.mean()
            loss = with_gradient_of(beta * charged - recon.mean(), loss)
        terms = {"bound": recon - kl, "recon": recon, "kl": kl}
        return Estimate(loss, terms | self.told(weight, recon), evidence)

    def read(self, evidence: Evidence, weight: Weight | None = None) -> Terms:
        """log p(x | z), and minus the weighted KL at each latent, `[k, B]` each."""
        charges = {f"kl {name}": self.charge(evidence, name) for name in evidence.latents}
        if evidence.correction is not None:
            charges["correction"] = evidence.correction
        recon = {site.name: site.log_prob for site in evidence.observed}
        if weight is None:
            return recon | {name: -charge for name, charge in charges.items()}
        beta, a = weight
        if a is not None:
            recon = {name: a * log_prob for name, log_prob in recon.items()}
            for name in evidence.latents:  # E[log q - a log p] = a KL + (1 - a) E[log q]
                log_q = evidence.q[name].log_prob
                charges[f"kl {name}"] = a * charges[f"kl {name}"] + (1 - a) * log_q
        return recon | {name: -beta * charge for name, charge in charges.items()}

    def charge(self, evidence: Evidence, name: str) -> Tensor:
        """The KL at one latent, `[k, B]`: with free bits, that of every j which exceeds λ."""
        if not self.free_bits:
            return self.kl.at(evidence, name)
        counts = (self.means(evidence, name).detach() >= self.free_bits).to(evidence.recon.dtype)
        if not self.per_dimension:
            return self.kl.at(evidence, name) * counts
        kl = evidence.kl_by_dimension(name)
        assert kl is not None  # the constructor made sure
        return evidence.q[name].spread((kl * counts).sum(-1))

    def free(self, evidence: Evidence) -> Tensor:
        """Σ_j max(λ, E_batch KL_j), a scalar."""
        means = [self.means(evidence, name) for name in evidence.latents]
        return torch.cat(means).clamp(min=self.free_bits).sum()

    def means(self, evidence: Evidence, name: str) -> Tensor:
        """KL_j averaged over samples and examples, `[J]`, for the dimensions or the one site."""
        if not self.per_dimension:
            return self.kl.at(evidence, name).mean().view(1)
        kl = evidence.kl_by_dimension(name)
        assert kl is not None  # the constructor made sure
        return kl.reshape(-1, kl.shape[-1]).mean(0)


def _sampled(kl: KL) -> KL:
    """Dropping the score of q needs log q at samples: a closed form has no score to drop."""
    if kl == "analytic":
        raise Incompatible(
            "objective.kl=analytic with this estimator: a closed form has no score of q to drop.",
            "estimator",
            options=("objective.kl=mc",),
        )
    return "mc"


def _check_dimensions(outline: Outline) -> None:
    evidence = outline.evidence
    for name in evidence.latents:
        if outline.kl_obstacle is None and evidence.kl_by_dimension(name) is not None:
            continue
        pair = " ‖ ".join(type(t[name].dist).__name__ for t in (evidence.q, evidence.p))
        raise Incompatible(
            "objective.free_bits_per=dimension needs a KL that is a sum over dimensions in closed "
            f"form; KL({pair}) at site {name!r}, of this posterior and this prior, "
            "is none.",
            options=("objective.free_bits_per=site",),
        )
