"""The aggregate posterior's KL in three parts, each with a weight."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from vaebench.errors import Incompatible
from vaebench.inference import Outline, depends_on_draws
from vaebench.objectives.regularizers.base import AlongPath, check_not_negative
from vaebench.trace import Evidence

Minibatch = Literal["weighted", "stratified"]


class TotalCorrelation(AlongPath):
    """(α - 1) I_q(x; z) + (β - 1) KL(q(z) ‖ Π_j q(z_j)) + (γ - 1) Σ_j KL(q(z_j) ‖ p(z_j)).

    With q(z) = 1/N Σ_n q(z | x_n) the three parts are E[KL(q(z | x) ‖ p(z))]: beside the evidence
    lower bound they have the weights α, β and γ. Of a batch of B examples log q(z) is estimated as
    log Σ_n w_n q(z | x_n), and so is each log q(z_j): with `weighted`, w = 1 / (N B); `stratified`,
    which makes Σ_n w_n q(z | x_n) unbiased, 1/N of the example that z was drawn for and (N - 1) /
    (N (B - 1)) of the others, the mean of the paper's weights over which of these is its last.
    What is estimated is told: `mutual_information`, `total_correlation`, `dimension_kl`.

    Args:
        alpha, beta, gamma: at least 0.
        minibatch: the weights.

    Raises:
        Incompatible: q(z | x) is no density that is a product over dimensions of real numbers, or
            depends on another latent's draw.

    References:
        Isolating Sources of Disentanglement in VAEs (Chen, Li, Grosse, Duvenaud 2018),
        https://arxiv.org/abs/1802.04942
    """

    def __init__(
        self, outline: Outline, *, alpha: float, beta: float, gamma: float, minibatch: Minibatch
    ) -> None:
        super().__init__(outline)
        check_not_negative("total_correlation", alpha=alpha, beta=beta, gamma=gamma)
        _check(outline)
        self.alpha, self.beta, self.gamma = alpha, beta, gamma
        self.minibatch, self.size = minibatch, outline.spec.size

    def seen(self, evidence: Evidence, step: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        parts = self.parts(evidence)
        weights = (self.alpha - 1, self.beta - 1, self.gamma - 1)
        of_each = zip(weights, parts.values(), strict=True)
        cost = torch.stack([weight * part.mean() for weight, part in of_each]).sum()
        return cost, {name: evidence.average(part.detach()) for name, part in parts.items()}

    def parts(self, evidence: Evidence) -> dict[str, Tensor]:
        """The three terms at each sample, `[k, B]`."""
        each = torch.cat([_each(evidence, name) for name in evidence.latents], -1)
        log_w = self.log_weights(each.shape[1], each)
        joint = (each.sum(-1) + log_w).logsumexp(2)
        product = (each + log_w.unsqueeze(-1)).logsumexp(2).sum(-1)
        prior = torch.stack([evidence.p[name].log_prob for name in evidence.latents]).sum(0)
        return {
            "mutual_information": evidence.log_q - joint,
            "total_correlation": joint - product,
            "dimension_kl": product - prior,
        }

    def log_weights(self, batch: int, like: Tensor) -> Tensor:
        """log w_n of the example in each column, for the z of the one in each row, `[B, B]`."""
        if self.minibatch == "weighted":
            return like.new_full((batch, batch), -math.log(self.size * batch))
        other = max(self.size - 1, 1) / (self.size * max(batch - 1, 1))
        own = torch.eye(batch, dtype=torch.bool, device=like.device)
        of_others = like.new_full((batch, batch), math.log(other))
        return of_others.masked_fill(own, -math.log(self.size))


def _each(evidence: Evidence, name: str) -> Tensor:
    """log q(z_j | x_n) at each sample, `[k, B, n, D]`."""
    site = evidence.q[name]
    factors = site.dist.factors()
    assert factors is not None  # the constructor made sure
    value = site.value.expand(*evidence.q.lead, *site.dist.event_shape)
    return factors.log_prob(value.unsqueeze(2)).flatten(3)


def _check(outline: Outline) -> None:
    if outline.refined:
        raise Incompatible(
            "this objective reads q(z | x) at the codes of other examples, and samples of this "
            "posterior are moved, which leaves them no density.",
            "refine",
            "objective",
        )
    for name, dist in zip(outline.latents, outline.q, strict=True):
        if depends_on_draws(dist):
            raise Incompatible(
                f"this objective reads q(z | x) at the codes of other examples, and at site {name!r} "
                "it depends on another latent's draw.",
                "model",
                "objective",
            )
        if dist.is_discrete or not dist.has_density or dist.factors() is None:
            whose = "posterior" if len(outline.latents) == 1 else "model"
            raise Incompatible(
                f"this objective takes a total correlation, for which q({name} | x) of this {whose} is "
                "to be a product of densities of real numbers, and it is not.",
                whose,
                "objective",
            )
