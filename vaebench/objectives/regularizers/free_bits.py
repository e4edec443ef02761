"""A KL of which some nats are free."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from vaebench.errors import Incompatible
from vaebench.inference import Outline
from vaebench.objectives.estimators import Terms
from vaebench.objectives.regularizers.base import Regularizer
from vaebench.objectives.regularizers.divergence import Divergence
from vaebench.objectives.weighing import Weighing, told
from vaebench.trace import Evidence

Per = Literal["dimension", "site"]


class FreeBits(Regularizer):
    """β Σ_j max(λ, E[KL_j]): nothing is gained by making a dimension or site j carry less than λ.

    Args:
        divergence: the KL.
        weighing: β and its annealing.
        outline: of the model.
        free: λ > 0, in nats.
        per: what j runs over: each `dimension` of each latent, or each `site`.

    References:
        Improving Variational Inference with Inverse Autoregressive Flow (Kingma, Salimans,
        Jozefowicz, Chen, Sutskever, Welling 2016), https://arxiv.org/abs/1606.04934
    """

    def __init__(
        self, divergence: Divergence, weighing: Weighing, outline: Outline, *, free: float, per: Per
    ) -> None:
        super().__init__()
        if free < 0:
            raise Incompatible(f"objective.free_bits={free}: must not be negative")
        if weighing.tempers:
            raise Incompatible(
                f"objective.free_bits={free} with this anneal: a tempered log p(x, z) leaves no KL "
                "of which some nats could be free.",
                "anneal",
                options=("objective.free_bits=0",),
            )
        self.divergence, self.weighing = divergence, weighing
        self.free, self.per_dimension = free, per == "dimension"
        if self.per_dimension:
            _check_dimensions(outline)

    def charges(self, evidence: Evidence, step: Tensor) -> Terms:
        """β times the KL of every j that exceeds λ."""
        charges = {f"kl {name}": self._above(evidence, name) for name in evidence.latents}
        if evidence.correction is not None:
            charges["correction"] = evidence.correction
        beta = self._beta(step)
        return {name: beta * charge for name, charge in charges.items()}

    def cost(self, evidence: Evidence, step: Tensor) -> Tensor:
        means = torch.cat([self._means(evidence, name) for name in evidence.latents])
        charged = means.clamp(min=self.free).sum()
        if evidence.correction is not None:
            charged = charged + evidence.average(evidence.correction).mean()
        return (self._beta(step) * charged).detach()

    def told(self, evidence: Evidence, step: Tensor) -> dict[str, Tensor]:
        weight = self.weighing.at(step, training=self.training)
        return told(weight, evidence.recon, training=self.training)

    def _beta(self, step: Tensor) -> Tensor | float:
        weight = self.weighing.at(step, training=self.training)
        return 1.0 if weight is None else weight.beta

    def _above(self, evidence: Evidence, name: str) -> Tensor:
        """The KL at one latent, `[k, B]`, of every j which exceeds λ."""
        counts = (self._means(evidence, name) >= self.free).to(evidence.recon.dtype)
        if not self.per_dimension:
            return self.divergence.at(evidence, name) * counts
        return evidence.q[name].spread((_by_dimension(evidence, name) * counts).sum(-1))

    def _means(self, evidence: Evidence, name: str) -> Tensor:
        """KL_j averaged over samples and examples, `[J]`, for the dimensions or the one site."""
        if not self.per_dimension:
            return evidence.average(self.divergence.at(evidence, name).detach()).mean().view(1)
        kl = _by_dimension(evidence, name).detach()
        if kl.ndim == 3:  # of a latent that depends on another's draw
            kl = evidence.average(kl)
        return kl.reshape(-1, kl.shape[-1]).mean(0)


def _by_dimension(evidence: Evidence, name: str) -> Tensor:
    """KL_j at one latent, `[*batch, J]`."""
    kl = evidence.kl_by_dimension(name)
    assert kl is not None  # the constructor made sure
    return kl


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
