"""Codes whose covariance is the identity."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from vaebench.distributions import Delta, DiagNormal, Distribution, FullNormal
from vaebench.errors import Incompatible
from vaebench.inference import Outline, depends_on_draws
from vaebench.objectives.regularizers.base import AlongPath, check_not_negative
from vaebench.trace import Evidence

Kind = Literal["I", "II"]


class DIP(AlongPath):
    """λ_beside Σ_{i≠j} C_ij² + λ_diagonal Σ_i (C_ii - 1)², with C a covariance over the batch: that of
    E[z | x], `I`, or of z itself, `II`, which is the former plus the mean of Cov[z | x].

    Args:
        kind: of which C is.
        beside: λ_beside ≥ 0.
        diagonal: λ_diagonal ≥ 0.

    Raises:
        Incompatible: q(z | x) has no mean and covariance in closed form.

    References:
        Variational Inference of Disentangled Latent Concepts from Unlabeled Observations (Kumar,
        Sattigeri, Balakrishnan 2018), https://arxiv.org/abs/1711.00848
    """

    def __init__(self, outline: Outline, *, kind: Kind, beside: float, diagonal: float) -> None:
        super().__init__(outline)
        check_not_negative("dip", beside=beside, diagonal=diagonal)
        closed = (DiagNormal, FullNormal, Delta)
        if not all(isinstance(q, closed) and not depends_on_draws(q) for q in outline.q):
            raise Incompatible(
                "this objective needs mean and covariance of q(z | x) in closed form, which this "
                "posterior does not have.",
                "posterior",
                "objective",
            )
        self.kind, self.beside, self.diagonal = kind, beside, diagonal

    def seen(self, evidence: Evidence, step: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        c = self.covariance([evidence.q[name].dist for name in evidence.latents])
        on = c.diagonal()
        off = c.square().sum() - on.square().sum()
        cost = self.beside * off + self.diagonal * (on - 1).square().sum()
        return cost, {"covariance": off.detach(), "variance": on.mean().detach()}

    def covariance(self, q: list[Distribution]) -> Tensor:
        """C, `[D, D]`."""
        mean = torch.cat([dist.mean.flatten(1) for dist in q], 1)
        centred = mean - mean.mean(0)
        c = centred.T @ centred / len(mean)
        return c + torch.block_diag(*map(_within, q)) if self.kind == "II" else c


def _within(q: Distribution) -> Tensor:
    """The mean over a batch of Cov[z | x], `[D, D]`."""
    if isinstance(q, FullNormal):
        each = q.scale_tril @ q.scale_tril.mT
        return each.reshape(-1, *each.shape[-2:]).mean(0)
    if isinstance(q, DiagNormal):
        return (2 * q.log_scale).exp().flatten(1).mean(0).diag()
    return torch.zeros(q.event_shape.numel(), q.event_shape.numel()).to(q.mean)
