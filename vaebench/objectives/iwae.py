"""Importance-weighted bounds."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from vaebench.data import Batch
from vaebench.distributions import Noise
from vaebench.errors import Incompatible
from vaebench.inference import Outline
from vaebench.models import Model
from vaebench.objectives.anneal import Anneal
from vaebench.objectives.base import Estimate, honest_terms
from vaebench.objectives.bounds import Blend, Bound, LogMeanExp, Mean, Tempered
from vaebench.objectives.estimated import Estimated, MakesEstimator
from vaebench.objectives.estimators import Terms, auto, within
from vaebench.objectives.weighing import Weighing, Weight, told
from vaebench.trace import Evidence


class IWAE(Estimated):
    """L_k = E[log 1/k Σ_i w_i], w_i = p(x, z_i) / q(z_i | x), and its relatives.

    Args:
        k, estimator: of every `Estimated` objective.
        beta: β ≥ 0 tempers the weights, w = p(x|z) [p(z) / q(z|x)]^β.
        anneal: the share of β that a training step uses, or an inverse temperature a, with w =
            p(x|z)^a [p(z)^a / q(z|x)]^β.
        M: bounds of k samples each, that are averaged (MIWAE for M > 1): M · k samples.
        elbo_share: α of α ELBO + (1 - α) L_k (CIWAE), in [0, 1].

    References:
        Importance Weighted Autoencoders (Burda, Grosse, Salakhutdinov 2016),
        https://arxiv.org/abs/1509.00519
        Tighter Variational Bounds are Not Necessarily Better (Rainforth, Kosiorek, Le, Maddison,
        Igl, Wood, Teh 2018), https://arxiv.org/abs/1802.04537
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
        M: int = 1,
        elbo_share: float = 0.0,
    ) -> None:
        super().__init__(model, outline, k=k, estimator=estimator)
        self.weighing = Weighing(beta, anneal)
        if M < 1:
            raise Incompatible(f"objective.M={M}: at least 1")
        if not 0 <= elbo_share <= 1:
            raise Incompatible(f"objective.elbo_share={elbo_share}: must lie in [0, 1]")
        self.samples = M * self.k
        tight: Bound = LogMeanExp(M)
        self.prepare(
            model, outline, Blend(elbo_share, Mean(), tight) if elbo_share else tight, tempered
        )

    def estimate(self, model: Model, batch: Batch, step: Tensor, noise: Noise) -> Estimate:
        weight = self.weighing.at(step, training=self.training)
        read = partial(tempered, weight=weight)
        bound = self.bound if weight is None else Tempered(self.bound, weight.beta)
        found = self.estimator(model, batch, self.samples, read, bound, noise)
        value, log_w = found.surrogate, found.evidence.log_w
        if weight is not None:
            value = self.estimator.value(self.bound, log_w, found.evidence, self.samples)
        terms = honest_terms(value, found.evidence) | told(weight, value, training=self.training)
        state = within("estimator", found.state)
        return Estimate(self.loss(found), terms, found.evidence, state)


def tempered(evidence: Evidence, weight: Weight | None = None) -> Terms:
    """a log p(x|z) + β [a log p(z) - log q(z|x)], `[k, B]`; None is 1 for both, at no cost."""
    if weight is None:
        return {"log_w": evidence.log_w}
    beta, a = weight
    log_w = evidence.recon + beta * (evidence.log_w - evidence.recon)
    if a is None:
        return {"log_w": log_w}
    q = evidence.log_q
    if evidence.correction is not None:
        q = q + evidence.correction
    return {"log_w": a * log_w - (1 - a) * beta * q}
