"""Gaussian likelihoods whose pixels are correlated."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaebench.algebra import inverse_softplus
from vaebench.data import Field
from vaebench.distributions import DiagNormal, Distribution, FullNormal, LowRankNormal, Shaped
from vaebench.errors import Incompatible
from vaebench.heads.base import Likelihood
from vaebench.heads.likelihoods import (
    LEAST,
    check_real,
    density_bits,
    density_caveat,
    softplus_start,
)


class LinearGaussian(Likelihood):
    """p(x | z) = N(x; μ(z), W Wᵀ + σ² I), with W `[D, rank]` and σ learned, the same whatever z is.

    Without a z it is probabilistic principal component analysis.

    Args:
        rank: d, 1 ≤ d < D: columns of W.
        scale: σ that is started from.
        min_scale: σ stays above it.

    References:
        Probabilistic Principal Component Analysis (Tipping, Bishop 1999)
    """

    def __init__(
        self, observed: Field, *, rank: int, scale: float = 1.0, min_scale: float = 0.0
    ) -> None:
        super().__init__()
        check_real(observed, scale, min_scale)
        dim = observed.numel
        if not 1 <= rank < dim:
            why = (
                f"this likelihood has likelihood.rank={rank}, which must be at least 1 and less than "
                f"the number of pixels; the data are {dim} numbers."
            )
            options = (f"likelihood.rank={dim - 1}",) if dim > 1 else ()
            raise Incompatible(why, "likelihood", options=options)
        self.field, self.param_shape, self.min_scale = observed, observed.shape, min_scale
        self.w = nn.Parameter(0.1 * torch.randn(dim, rank))
        self.raw = nn.Parameter(torch.full((1,), softplus_start(scale, min_scale)))

    @property
    def scale(self) -> Tensor:
        """σ, `[1]`."""
        return self.min_scale + F.softplus(self.raw)

    def forward(self, params: Tensor) -> Shaped:
        lead = params.shape[: params.ndim - len(self.param_shape)]
        loc = params.reshape(*lead, self.field.numel)
        return Shaped(LowRankNormal(loc, self.w, self.scale), self.param_shape)

    def params_for_mean(self, mean: Tensor) -> Tensor:
        return mean

    @property
    def fitted_by_covariance(self) -> bool:
        return True

    @torch.no_grad()
    def params_for_covariance(self, mean: Tensor, covariance: Tensor) -> Tensor:
        """σ² is the mean of the D - d least eigenvalues λ, the columns of W are (λ_j - σ²)^½ u_j of the
        greatest (Tipping, Bishop 1999, section 3.2)."""
        rank = self.w.shape[1]
        values, vectors = torch.linalg.eigh(covariance)
        variance = values[:-rank].mean().clamp(min=(self.min_scale + LEAST) ** 2)
        self.raw.copy_(inverse_softplus(variance.sqrt() - self.min_scale))
        self.w.copy_(vectors[:, -rank:] * (values[-rank:] - variance).clamp(min=0).sqrt())
        return mean

    @property
    def caveat(self) -> str | None:
        return density_caveat(self.field)

    def bits_per_nat(self) -> tuple[float, float] | None:
        return density_bits(self.field)


Covariance = Literal["diagonal", "full", "tied"]


class MultivariateGaussian(Likelihood):
    """p(x | z) = N(x; μ(z), L Lᵀ), L lower triangular with min_scale + softplus(·) on its diagonal.

    Args:
        covariance: `diagonal`: L(z) is; `full`: L(z) is not; `tied`: one learned L whatever z is.
        scale: standard deviation that is started from.
        min_scale: no entry on L's diagonal is below it, and of `diagonal` no standard deviation: a
            density has no upper bound on pixels that never change.
    """

    raw: Tensor

    def __init__(
        self,
        observed: Field,
        *,
        covariance: Covariance,
        scale: float = 1.0,
        min_scale: float = 0.0,
    ) -> None:
        super().__init__()
        check_real(observed, scale, min_scale)
        dim, shape = observed.numel, observed.shape
        self.field, self.covariance, self.min_scale = observed, covariance, min_scale
        rows = {"diagonal": 1, "full": dim, "tied": 0}[covariance]
        self.param_shape = (1 + rows, *shape) if rows else shape
        raw = torch.tensor(softplus_start(scale, min_scale))
        self.register_buffer("raw", raw, persistent=False)
        if covariance == "tied":
            self.lower = nn.Parameter(torch.zeros(dim, dim))

    def forward(self, params: Tensor) -> Distribution:
        dim, shape = self.field.numel, self.field.shape
        lead = params.shape[: params.ndim - len(self.param_shape)]
        if self.covariance == "tied":
            return Shaped(FullNormal(params.reshape(*lead, dim), self._tril(self.lower)), shape)
        loc, free = params.reshape(*lead, -1, dim).split([1, self.param_shape[0] - 1], -2)
        if self.covariance == "diagonal":
            log_scale = self._positive(free).log()
            return DiagNormal(
                loc.reshape(*lead, *shape), log_scale.reshape(*lead, *shape), len(shape)
            )
        return Shaped(FullNormal(loc.squeeze(-2), self._tril(free)), shape)

    def _positive(self, free: Tensor) -> Tensor:
        return self.min_scale + F.softplus(free + self.raw)

    def _tril(self, free: Tensor) -> Tensor:
        """L of numbers `[*, D, D]`, of which those above the diagonal are not used."""
        return free.tril(-1) + self._positive(free.diagonal(dim1=-2, dim2=-1)).diag_embed()

    def _free(self, positive: Tensor) -> Tensor:
        return inverse_softplus((positive - self.min_scale).clamp(min=LEAST)) - self.raw.item()

    def params_for_mean(self, mean: Tensor) -> Tensor:
        if self.covariance == "tied":
            return mean
        return torch.cat([mean.unsqueeze(0), mean.new_zeros(self.param_shape[0] - 1, *mean.shape)])

    def mean_for_params(self, params: Tensor) -> Tensor:
        return params if self.covariance == "tied" else params.select(-len(self.field.shape) - 1, 0)

    @torch.no_grad()
    def params_for_covariances(self, means: Tensor, covariances: Tensor) -> Tensor:
        """Parameters `[M, *param_shape]` of components; an L that they share is set.

        Args:
            means: `[M, *event]`.
            covariances: variances `[M, D]` where `diagonal`, `[M, D, D]` where `full`, `[D, D]` where
                `tied`.
        """
        if self.covariance == "diagonal":
            return torch.stack([means, self._free(covariances.sqrt()).view_as(means)], 1)
        tril = torch.linalg.cholesky(covariances)
        free = tril.tril(-1) + self._free(tril.diagonal(dim1=-2, dim2=-1)).diag_embed()
        if self.covariance == "tied":
            self.lower.copy_(free)
            return means
        return torch.cat([means.unsqueeze(1), free.unflatten(-1, self.field.shape)], 1)

    @property
    def caveat(self) -> str | None:
        return density_caveat(self.field)

    def bits_per_nat(self) -> tuple[float, float] | None:
        return density_bits(self.field)
