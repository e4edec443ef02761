"""Reconstruction under a limit on the KL, or with a KL that is held at a value."""

from __future__ import annotations

from typing import ClassVar

from vaebench.inference import Outline
from vaebench.models import Model
from vaebench.objectives.anneal import Anneal
from vaebench.objectives.estimated import MakesEstimator
from vaebench.objectives.estimators import auto
from vaebench.objectives.regularized import Regularized
from vaebench.objectives.regularizers import Capacity, KLEstimate, Limit


class Constrained(Regularized):
    """max E[log p(x | z)] subject to E[KL(q(z | x) ‖ p(z))] < δ: the form that β-VAE comes from.

    One descent step on the parameters and one ascent step on the multiplier λ ≥ 0 of the
    Lagrangian -E[log p(x | z)] + λ (E[KL] - δ), in the same backward pass. λ plays β's part and
    is found instead of chosen; it is reported as `multiplier`, and the bound is the plain one.

    Args:
        k, estimator: of every `Estimated` objective.
        limit: δ ≥ 0, in nats.
        kl: as in the evidence lower bound.
        multiplier: λ at the start, positive.
        multiplier_lr: learning rate of λ (of its softplus preimage).

    References:
        β-VAE (Higgins, Matthey, Pal et al. 2017), eq. 2
        Taming VAEs (Rezende, Viola 2018), https://arxiv.org/abs/1810.00597
    """

    scored: ClassVar[bool] = False  # not where its KL is a closed form, nor needed where it is not

    def __init__(
        self,
        model: Model,
        outline: Outline,
        *,
        k: int,
        estimator: MakesEstimator = auto,
        limit: float,
        kl: KLEstimate,
        multiplier: float,
        multiplier_lr: float,
    ) -> None:
        super().__init__(model, outline, k=k, estimator=estimator)
        divergence = self.diverge(kl, outline)
        own = Limit(divergence, limit=limit, multiplier=multiplier, lr=multiplier_lr)
        self.regularise(model, outline, {"limit": own}, {})


class CapacityControlled(Regularized):
    """E[log p(x | z)] - γ |E[KL(q(z | x) ‖ p(z))] - C(t)|: the KL is led from 0 to C nats.

    C(t), `capacity`, is reported in training; the bound is the plain one.

    Args:
        k, estimator: of every `Estimated` objective.
        capacity: C ≥ 0, in nats.
        gamma: γ ≥ 0.
        anneal: the share of C at a training step.
        kl: as in the evidence lower bound.

    References:
        Understanding Disentangling in β-VAE (Burgess, Higgins, Pal, Matthey, Watters, Desjardins,
        Lerchner 2018), https://arxiv.org/abs/1804.03599
    """

    scored: ClassVar[bool] = False

    def __init__(
        self,
        model: Model,
        outline: Outline,
        *,
        k: int,
        estimator: MakesEstimator = auto,
        capacity: float,
        gamma: float,
        anneal: Anneal,
        kl: KLEstimate,
    ) -> None:
        super().__init__(model, outline, k=k, estimator=estimator)
        divergence = self.diverge(kl, outline)
        own = Capacity(divergence, capacity=capacity, gamma=gamma, anneal=anneal)
        self.regularise(model, outline, {"capacity": own}, {})
