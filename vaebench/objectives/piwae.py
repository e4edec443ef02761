"""Partially importance-weighted autoencoders: a tight bound for p, an informative one for q."""

from __future__ import annotations

from functools import reduce
from operator import add

from torch import Tensor

from vaebench.data import Batch
from vaebench.distributions import Noise
from vaebench.errors import Incompatible
from vaebench.inference import Outline, batch_size, frozen, infer
from vaebench.models import Model
from vaebench.objectives.base import Estimate, honest_terms
from vaebench.objectives.bounds import LogMeanExp
from vaebench.objectives.estimated import Estimated, MakesEstimator
from vaebench.objectives.estimators import VIMCO, Pathwise, auto, with_gradient_of
from vaebench.objectives.iwae import tempered
from vaebench.trace import Evidence, Trace


class PIWAE(Estimated):
    """θ follows L_{Mk}, over all M · k samples; φ follows the mean of M bounds L_k.

    The estimator is of φ's gradient. Pathwise scores the samples under p twice, once with constant z
    for θ and once with constant θ for φ; VIMCO is for latents without a path, k > 1.

    Args:
        k, estimator: of every `Estimated` objective.
        M: bounds of k samples each.

    References:
        Tighter Variational Bounds are Not Necessarily Better (Rainforth, Kosiorek, Le, Maddison,
        Igl, Wood, Teh 2018), https://arxiv.org/abs/1802.04537
    """

    def __init__(
        self, model: Model, outline: Outline, *, k: int, estimator: MakesEstimator = auto, M: int
    ) -> None:
        super().__init__(model, outline, k=k, estimator=estimator)
        if M < 1:
            raise Incompatible(f"objective.M={M}: at least 1")
        self.all, self.each, self.samples = LogMeanExp(), LogMeanExp(M), M * self.k
        self.prepare(model, outline, self.each, tempered)
        if not isinstance(self.estimator, Pathwise | VIMCO):
            raise Incompatible(
                "this objective trains recognition with estimator=pathwise or vimco, and this "
                f"estimator of k={self.k} is neither.",
                "estimator",
                options=("k=5",),
            )
        if model.refine is not None:
            raise Incompatible(
                "this objective holds p constant along q's path, and this refine moves q's samples by "
                "p.",
                "refine",
                "objective",
            )

    def estimate(self, model: Model, batch: Batch, step: Tensor, noise: Noise) -> Estimate:
        if self.draws == "score":
            evidence = infer(model, batch, self.samples, reparam=False, noise=noise)
            for_q = self._by_score(evidence)
        else:
            evidence, log_w = self._along_path(model, batch, noise)
            for_q = self.each.value(log_w)
        log_w = evidence.log_w.detach()
        log_p = reduce(add, (site.log_prob for site in evidence.p.sites.values()))
        for_p = (self.all.weights(log_w) * log_p).sum(0)
        value = self.all.value(log_w)
        loss = -with_gradient_of(value, for_p + for_q).mean()
        return Estimate(loss, honest_terms(value, evidence), evidence)

    def _along_path(self, model: Model, batch: Batch, noise: Noise) -> tuple[Evidence, Tensor]:
        """The evidence of constant samples, and log w along their path with p held constant."""
        lead = (self.samples, batch_size(batch))
        q = Trace(*lead, batch, noise=noise)
        model.recognise(q, batch)
        latents = tuple(site.name for site in q.drawn)
        held = Trace(*lead, {**batch, **q.values}, noise=noise)
        frozen(model, lambda m: m.generate(held, batch))
        constant = {name: value.detach() for name, value in q.values.items()}
        p = Trace(*lead, {**batch, **constant}, noise=noise)
        model.generate(p, batch)
        return Evidence(p, q, latents), Evidence(held, q, latents).log_w

    def _by_score(self, evidence: Evidence) -> Tensor:
        """VIMCO's surrogate of the M bounds, with φ's gradient alone, `[B]`."""
        log_w = evidence.log_w.detach()
        signal = self.each.share(log_w) - self.each.share_without(log_w)
        return ((signal - self.each.weights(log_w)) * evidence.log_q).sum(0)
