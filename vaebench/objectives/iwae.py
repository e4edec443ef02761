"""The importance-weighted bound and its gradient estimators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

from torch import Tensor

from vaebench.data import Spec
from vaebench.inference import infer, log_mean_exp, rescore
from vaebench.models import Model
from vaebench.objectives.base import Batch, Estimate, Weighted, honest, honest_terms
from vaebench.trace import Evidence

Estimator = Literal["pathwise", "stl", "dreg"]


class IWAE(Weighted):
    """L_k = E[log 1/k Σ_i w_i], w_i = p(x, z_i) / q(z_i | x).

    Args:
        estimator: of the gradient. `pathwise`: of log-mean-exp itself (Burda et al. 2016), unbiased.
            `stl`: without q's score, no variance at the exact posterior, biased for k > 1 (Roeder,
            Wu, Duvenaud 2017). `dreg`: doubly reparameterised, q's path weighted by w̃², unbiased
            with a signal that does not fade as k grows (Tucker et al. 2019).
        **shared: beta, anneal, k and weight_sd. β tempers the weights, w = p(x|z) [p(z) / q(z|x)]^β.

    References:
        Importance Weighted Autoencoders (Burda, Grosse, Salakhutdinov 2016),
        https://arxiv.org/abs/1509.00519
    """

    def __init__(self, model: Model, spec: Spec, *, estimator: Estimator, **shared: Any) -> None:
        super().__init__(model, spec, **shared)
        self.surrogate = SURROGATES[estimator]
        self.rescores = "" if estimator == "pathwise" else f"objective.estimator={estimator}"

    def estimate(self, model: Model, batch: Batch, step: Tensor) -> Estimate:
        evidence = infer(model, batch, self.k)
        beta = None if self.plain else self.weight(step)
        bound, evidence = self.surrogate(model, batch, evidence, beta)
        honest_bound = bound if beta is None else log_mean_exp(evidence.log_w)
        return Estimate(-bound.mean(), honest_terms(honest_bound, evidence), evidence)


Beta = Tensor | float | None
Bound = tuple[Tensor, Evidence]


def tempered(evidence: Evidence, beta: Beta) -> Tensor:
    """log p(x|z) + β [log p(z) - log q(z|x)], `[k, B]`; None is β = 1, at no cost."""
    if beta is None:
        return evidence.log_w
    return evidence.recon + beta * (evidence.log_w - evidence.recon)


def pathwise(model: Model, batch: Batch, evidence: Evidence, beta: Beta = None) -> Bound:
    """L_k with its own gradient, `[B]`."""
    return log_mean_exp(tempered(evidence, beta)), evidence


def stl(model: Model, batch: Batch, evidence: Evidence, beta: Beta = None) -> Bound:
    """L_k, q scored at frozen parameters: its score function's term is dropped."""
    evidence, _ = rescore(evidence, model, batch)
    return log_mean_exp(tempered(evidence, beta)), evidence


def dreg(model: Model, batch: Batch, evidence: Evidence, beta: Beta = None) -> Bound:
    """L_k with gradient Σ w̃ ∂_θ log p(x, z) + Σ w̃² ∂_z log w ∂_φ z."""
    evidence, copies = rescore(evidence, model, batch)
    log_w = tempered(evidence, beta)
    w = log_w.detach().softmax(0)
    for z in copies.values():
        if z.requires_grad:
            z.register_hook(_weighted(w))
    return honest(log_mean_exp(log_w), (w * log_w).sum(0)), evidence


def _weighted(w: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda gradient: w.reshape(*w.shape, *(1 for _ in gradient.shape[2:])) * gradient


SURROGATES = dict(zip(get_args(Estimator), (pathwise, stl, dreg), strict=True))
