"""Wake-sleep and reweighted wake-sleep: p learns from q's samples of data, q from what p makes up."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import add
from typing import Literal

from torch import Tensor

from vaebench.data import Batch
from vaebench.distributions import Noise
from vaebench.inference import Outline, infer, simulate
from vaebench.models import Model
from vaebench.objectives.base import Estimate, Objective, honest_terms
from vaebench.objectives.bounds import Bound, LogMeanExp, Mean
from vaebench.objectives.estimators import Draws, with_gradient_of
from vaebench.trace import Evidence, Site, Trace

Phi = Literal["wake", "sleep", "both"]


class WakeSleep(Objective):
    """θ follows Σ_i v_i ∂ log p(x, z_i), z_i ~ q(z | x); φ follows ∂ log q(z | x) at x, z ~ p.

    No single function descends: φ's wake-phase KL(q ‖ p) is replaced by sleep's KL(p ‖ q). The
    reported bound is that of the samples.

    Args:
        k: samples of q per example.

    References:
        The Wake-Sleep Algorithm for Unsupervised Neural Networks (Hinton, Dayan, Frey, Neal 1995)
    """

    draws: Draws = "score"
    rescores = "objective"
    dreams = True
    phi: Phi = "sleep"
    bound: Bound = Mean()

    def __init__(self, model: Model, outline: Outline, *, k: int) -> None:
        super().__init__(model, outline, k=k)
        self.observed = outline.observed

    def estimate(self, model: Model, batch: Batch, step: Tensor, noise: Noise) -> Estimate:
        evidence = infer(model, batch, self.k, reparam=False, noise=noise)
        log_w = evidence.log_w.detach()
        weights, value = self.bound.weights(log_w), self.bound.value(log_w)
        surrogate = (weights * _summed(evidence.p.sites.values())).sum(0)
        if self.phi != "sleep":
            surrogate = surrogate + (weights * evidence.log_q).sum(0)
        if self.phi != "wake":
            surrogate = surrogate + self.sleep(model, batch, evidence, noise)
        loss = -with_gradient_of(value, surrogate).mean()
        return Estimate(loss, honest_terms(value, evidence), evidence)

    def sleep(self, model: Model, batch: Batch, evidence: Evidence, noise: Noise) -> Tensor:
        """log q(z | x) of latents and data that p makes up, under the batch's conditions, `[B]`."""
        known = {n: v for n, v in batch.items() if n not in (*self.observed, *evidence.latents)}
        dream = simulate(model, evidence.q.lead[1], known, noise)
        shape = (1, evidence.q.lead[1])
        values = {n: s.value.expand(*shape, *s.dist.event_shape) for n, s in dream.sites.items()}
        data = known | {name: values[name][0] for name in self.observed}
        q = Trace(*shape, data | {name: values[name] for name in evidence.latents}, noise=noise)
        model.recognise(q, data)
        return _summed(q[name] for name in evidence.latents)[0]


class RWS(WakeSleep):
    """Wake-sleep with importance weights w̃_i ∝ p(x, z_i) / q(z_i | x) for v_i, and for a wake phase
    of φ: Σ_i w̃_i ∂ log q(z_i | x). The bound is L_k.

    Args:
        k: samples of q per example.
        phi: which phases train φ.

    References:
        Reweighted Wake-Sleep (Bornschein, Bengio 2015), https://arxiv.org/abs/1406.2751
        Revisiting Reweighted Wake-Sleep (Le, Kosiorek, Siddharth, Teh, Wood 2019)
    """

    bound: Bound = LogMeanExp()

    def __init__(self, model: Model, outline: Outline, *, k: int, phi: Phi) -> None:
        super().__init__(model, outline, k=k)
        self.phi = phi
        self.dreams = phi != "wake"


def _summed(sites: Iterable[Site]) -> Tensor:
    """Σ of the sites' log-densities, `[k, B]`."""
    return reduce(add, (site.log_prob for site in sites))
