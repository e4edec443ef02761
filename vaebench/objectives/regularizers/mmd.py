"""A distance of codes from draws of the prior."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from vaebench.errors import Incompatible
from vaebench.inference import Outline
from vaebench.objectives.regularizers.base import AlongPath, check_not_negative, codes
from vaebench.trace import Evidence

Kernel = Literal["rbf", "imq"]


class MMD(AlongPath):
    """w MMD²(q(z), p(z)), the squared maximum mean discrepancy E k(z, z') + E k(ζ, ζ') - 2 E k(z, ζ)
    of codes z ~ q(z) and as many draws ζ ~ p(z), without bias: what is paired is never the same.

    k is exp(-‖a - b‖² / (2 s D)), `rbf`, or C / (C + ‖a - b‖²) with C = 2 s D, `imq`, of D dimensions.
    `mmd` is told.

    Args:
        weight: w ≥ 0.
        kernel: k.
        scale: s > 0.

    References:
        A Kernel Two-Sample Test (Gretton, Borgwardt, Rasch, Schölkopf, Smola 2012)
        InfoVAE: Balancing Learning and Inference in Variational Autoencoders (Zhao, Song, Ermon
        2019), https://arxiv.org/abs/1706.02262
        Wasserstein Auto-Encoders (Tolstikhin, Bousquet, Gelly, Schölkopf 2018),
        https://arxiv.org/abs/1711.01558
    """

    def __init__(self, outline: Outline, *, weight: float, kernel: Kernel, scale: float) -> None:
        super().__init__(outline)
        check_not_negative("mmd", weight=weight)
        if scale <= 0:
            raise Incompatible(f"mmd: scale={scale} must be positive")
        self.weight, self.kernel, self.scale = weight, kernel, scale

    def seen(self, evidence: Evidence, step: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        mmd = self.between(codes(evidence), _drawn(evidence)).mean()
        return self.weight * mmd, {"mmd": mmd.detach()}

    def between(self, a: Tensor, b: Tensor) -> Tensor:
        """MMD² of n points `[*, n, D]` each, `[*]`."""
        n = a.shape[-2]
        pairs = max(n * (n - 1), 1)
        # k of a point and itself is 1, and the diagonal of those between the two sets is left out
        # as well: the mean over all other pairs has less variance than that over n halves.
        within = sum(self._kernel(x, x).sum((-1, -2)) - n for x in (a, b))
        across = self._kernel(a, b)
        beside = across.sum((-1, -2)) - across.diagonal(dim1=-2, dim2=-1).sum(-1)
        return (within - 2 * beside) / pairs

    def _kernel(self, a: Tensor, b: Tensor) -> Tensor:
        """k of each pair, `[*, n, m]`."""
        squared = (a.unsqueeze(-2) - b.unsqueeze(-3)).square().sum(-1)
        c = 2 * self.scale * a.shape[-1]
        return (-squared / c).exp() if self.kernel == "rbf" else c / (c + squared)


def _drawn(evidence: Evidence) -> Tensor:
    """Draws of the prior, as many as there are codes, `[k, B, D]`."""
    lead, found = evidence.q.lead, []
    for name in evidence.latents:
        prior = evidence.p[name].dist
        missing = lead[: 2 - len(prior.batch_shape)]
        draws = prior.rsample(missing, evidence.q.noise)
        found.append(draws.expand(*lead, *prior.event_shape).flatten(2))
    return torch.cat(found, 2)
