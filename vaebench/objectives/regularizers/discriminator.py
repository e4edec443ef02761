"""A total correlation that a net tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaebench.errors import Incompatible
from vaebench.inference import Outline
from vaebench.nets.base import widths
from vaebench.objectives.estimators import with_gradient_of
from vaebench.objectives.regularizers.base import AlongPath, check_not_negative, codes
from vaebench.trace import Evidence

SLOPE = 0.2
"""Of the leaky rectifiers below 0."""


class Discriminator(AlongPath):
    """γ E_q(z)[log D(z) - log(1 - D(z))], with D the probability of codes z ~ q(z) among codes z̄
    whose dimensions are permuted over the batch, each on its own: at the best D it is γ times the
    total correlation KL(q(z) ‖ Π_j q(z_j)).

    D learns in the same backward pass from the same codes, detached; the codes see it as a constant.
    Told are `total_correlation`, by D, and `discriminator`, how often it is right.

    Args:
        gamma: γ ≥ 0.
        hidden: widths of D's layers; the paper has six of 1000.
        lr: learning rate of D.

    References:
        Disentangling by Factorising (Kim, Mnih 2018), https://arxiv.org/abs/1802.05983
    """

    def __init__(self, outline: Outline, *, gamma: float, hidden: Sequence[int], lr: float) -> None:
        super().__init__(outline)
        check_not_negative("discriminator", gamma=gamma)
        if lr <= 0:
            raise Incompatible(f"discriminator: lr={lr} must be positive")
        self.gamma, self.lr = gamma, lr
        width = sum(dist.event_shape.numel() for dist in outline.q)
        self.net = nn.Sequential()
        for h in widths("discriminator: hidden", [*hidden]):
            self.net.extend([nn.Linear(width, h), nn.LeakyReLU(SLOPE)])
            width = h
        self.net.append(nn.Linear(width, 1))

    def seen(self, evidence: Evidence, step: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        z = codes(evidence)
        order = evidence.q.noise.uniform(z.shape, z).argsort(1)
        permuted = z.detach().gather(1, order)
        constants = {name: value.detach() for name, value in self.net.named_parameters()}
        told = torch.func.functional_call(self.net, constants, (z,)).squeeze(-1)
        real, fake = self.net(torch.stack([z.detach(), permuted])).squeeze(-1)
        own = (F.softplus(-real).mean() + F.softplus(fake).mean()) / 2
        total_correlation = told.mean()
        cost = self.gamma * total_correlation
        right = ((real > 0).to(z).mean() + (fake < 0).to(z).mean()) / 2
        terms = {"total_correlation": total_correlation.detach(), "discriminator": right}
        return with_gradient_of(cost, cost + own), terms

    def groups(self) -> list[dict[str, Any]]:
        return [{"params": [*self.parameters()], "lr": self.lr, "weight_decay": 0.0}]
