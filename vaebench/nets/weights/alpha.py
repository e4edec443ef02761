"""The variance α of multiplicative noise N(1, α), fixed or learned."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaebench.errors import Incompatible
from vaebench.nets.weights.priors import APPROXIMATIONS, Approximation


class Alpha(nn.Module):
    """log α, and KL(N(θ, αθ²) ‖ p) of the log-uniform prior p(log |w|) ∝ 1, which depends on α alone
    and is the same for every θ.

    The cubic form of the divergence is of α ≤ 1: there α is a sigmoid of what is learned.

    Args:
        value: α at the start, positive and finite.
        shape: of what is learned; None: nothing is.
        kl: form of the divergence.
    """

    def __init__(self, value: float, shape: Sequence[int] | None, kl: Approximation) -> None:
        super().__init__()
        check_alpha(value, kl)
        self.divergence_of, self.bounded = APPROXIMATIONS[kl], kl == "cubic"
        start = math.log(value / (1 - value)) if self.bounded else math.log(value)
        if shape is None:
            self.register_buffer("free", torch.tensor(start), persistent=False)
        else:
            self.free = nn.Parameter(torch.full(tuple(shape), start))

    def log(self) -> Tensor:
        """log α."""
        return F.logsigmoid(self.free) if self.bounded else self.free

    def sd(self) -> Tensor:
        """√α."""
        return (0.5 * self.log()).exp()

    def divergence(self, shape: Sequence[int]) -> Tensor:
        """Of each of the noises that there are of this shape."""
        return self.divergence_of(self.log()).expand(tuple(shape))


def check_alpha(value: float, kl: Approximation) -> None:
    """Refuses an α that is none, or that its divergence is not made for.

    Raises:
        Incompatible: naming the option.
    """
    if not 0 < value < math.inf:
        raise Incompatible(
            f"weights.alpha={value}: must be positive and finite. Use weights.alpha=0.25."
        )
    if kl == "cubic" and value >= 1:
        raise Incompatible(
            f"weights.alpha={value} with weights.kl=cubic, which is of alpha below 1. Use "
            "weights.kl=sigmoid."
        )
