"""Laplace likelihood."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Independent, Laplace

from vaebench.data import Field
from vaebench.distributions import Torch
from vaebench.heads import Likelihood
from vaebench.heads.likelihoods import check_real, density_bits, density_caveat


class Template(Likelihood):
    """p(x | z) = Π_i Laplace(x_i; m_i(z), b).

    Change: the distribution, and which parameters give it a wanted mean.

    Args:
        scale: b, an option of the YAML.
    """

    def __init__(self, observed: Field, *, scale: float) -> None:
        super().__init__()
        check_real(observed, scale, 0.0)  # labels and tokens are no numbers
        self.field, self.scale = observed, scale
        self.param_shape = observed.shape  # what the decoder puts out for each example

    def forward(self, params: Tensor) -> Torch:
        """Parameters `[*, *shape]` → a distribution over `[*shape]` with batch `[*]`."""
        density = Laplace(params, self.scale, validate_args=False)
        return Torch(Independent(density, len(self.field.shape)))

    def params_for_mean(self, mean: Tensor) -> Tensor:
        return mean

    @property
    def caveat(self) -> str | None:
        return density_caveat(self.field)

    def bits_per_nat(self) -> tuple[float, float] | None:
        return density_bits(self.field)
