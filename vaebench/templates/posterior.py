"""Laplace posterior."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Independent, Laplace

from vaebench.data import Field
from vaebench.distributions import Torch
from vaebench.heads import Head


class Template(Head):
    """q(z | x) = Π_d Laplace(z_d; m_d, b_d), with heavier tails than a Gaussian.

    Change: how many parameters there are, and what distribution they make.
    """

    def __init__(self, latent: Field) -> None:
        super().__init__()
        self.param_shape = (2 * latent.numel,)  # what the encoder puts out for each example

    def forward(self, params: Tensor) -> Torch:
        """Parameters `[*, 2D]` → a distribution over `[D]` with batch `[*]`."""
        loc, log_scale = params.chunk(2, -1)
        return Torch(Independent(Laplace(loc, log_scale.exp(), validate_args=False), 1))
