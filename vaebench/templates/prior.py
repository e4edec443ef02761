"""Prior of Student's t."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Independent, StudentT

from vaebench.data import Field
from vaebench.distributions import Torch
from vaebench.heads import Prior


class Template(Prior):
    """p(z) = Π_d t_ν(z_d).

    Change: the distribution. Parameters to be learned are `nn.Parameter`s here.

    Args:
        df: ν, degrees of freedom: an option of the YAML.
    """

    zero: Tensor

    def __init__(self, latent: Field, *, df: float) -> None:
        super().__init__()
        self.df = df
        self.register_buffer("zero", torch.zeros(latent.shape), persistent=False)

    def forward(self) -> Torch:
        """A distribution over `[D]` without a batch."""
        return Torch(Independent(StudentT(self.df, self.zero, validate_args=False), 1))
