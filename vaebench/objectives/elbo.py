"""The evidence lower bound."""

from __future__ import annotations

from collections.abc import Mapping

from vaebench.errors import Incompatible
from vaebench.inference import Outline
from vaebench.models import Model
from vaebench.objectives.anneal import Anneal
from vaebench.objectives.estimated import MakesEstimator
from vaebench.objectives.estimators import auto
from vaebench.objectives.regularized import NONE, Regularized
from vaebench.objectives.regularizers import (
    KL,
    FreeBits,
    KLEstimate,
    MakesRegularizer,
    Regularizer,
)
from vaebench.objectives.regularizers.free_bits import Per
from vaebench.objectives.weighing import Weighing


class ELBO(Regularized):
    """L = E_q[log p(x | z)] - β KL(q(z | x) ‖ p(z)), averaged over k samples.

    With free bits λ > 0 the loss counts Σ_j max(λ, E_batch KL_j) in place of the KL. At the inverse
    temperature a it is a L + (1 - a) β H[q(z | x)], whose entropy is estimated from the k samples:
    E_q[a log p(x, z) - log q(z | x)] at β = 1. The reported bound stays the plain one.

    Args:
        k, estimator: of every `Estimated` objective.
        beta: β ≥ 0.
        anneal: the share of β, or of log p(x, z), that a training step uses.
        kl: `analytic`: the closed form; `mc`: from the same k samples; `auto`: the closed form
            where q and p have one, else `mc`. The run says which it was.
        free_bits: λ ≥ 0, in nats; 0: none.
        free_bits_per: what j runs over: each `dimension` of each latent, or each `site`.
        regularizers: further ones by name, each built as `Regularizer(outline)`.

    References:
        Auto-Encoding Variational Bayes (Kingma, Welling 2014), https://arxiv.org/abs/1312.6114
        β-VAE (Higgins, Matthey, Pal et al. 2017)
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
        kl: KLEstimate,
        free_bits: float,
        free_bits_per: Per,
        regularizers: Mapping[str, MakesRegularizer] = NONE,
    ) -> None:
        super().__init__(model, outline, k=k, estimator=estimator)
        if free_bits and free_bits_per == "dimension" and self.drops_score:
            raise Incompatible(
                "objective.free_bits_per=dimension with this estimator: a closed form has no "
                "score of q to drop.",
                options=("objective.free_bits_per=site",),
            )
        weighing = Weighing(beta, anneal)
        divergence = self.diverge(_sampled(kl) if self.drops_score else kl, outline)
        own: Regularizer = KL(divergence, weighing)
        if free_bits:
            own = FreeBits(divergence, weighing, outline, free=free_bits, per=free_bits_per)
        self.regularise(model, outline, {"kl": own}, regularizers)


def _sampled(kl: KLEstimate) -> KLEstimate:
    """Dropping the score of q needs log q at samples: a closed form has no score to drop."""
    if kl == "analytic":
        raise Incompatible(
            "objective.kl=analytic with this estimator: a closed form has no score of q to drop.",
            "estimator",
            options=("objective.kl=mc",),
        )
    return "mc"
