"""Priors p(z)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from vaebench.data import Field, Support
from vaebench.distributions import DiagNormal, Distribution, Mixture, StandardNormal
from vaebench.errors import Incompatible
from vaebench.heads.base import Prior

Posterior = Callable[[Tensor], Distribution]


class Normal(Prior):
    """p(z) = N(0, I)."""

    zero: Tensor

    def __init__(self, latent: Field, observed: Field) -> None:
        super().__init__()
        self.register_buffer("zero", torch.zeros(latent.shape), persistent=False)

    def forward(self, posterior: Posterior) -> StandardNormal:
        return StandardNormal(self.zero)


class GaussianMixture(Prior):
    """p(z) = Σ_m π_m N(μ_m, diag σ_m²) with learned π, μ and σ.

    Args:
        components: M ≥ 1.
        spread: standard deviation of the initial μ_m; the initial σ_m are 1.

    References:
        Approximate Inference for Deep Latent Gaussian Mixtures (Nalisnick, Hertel, Smyth 2016)
    """

    def __init__(
        self, latent: Field, observed: Field, *, components: int, spread: float = 1.0
    ) -> None:
        super().__init__()
        if components < 1:
            raise Incompatible(f"prior.components={components}: at least 1")
        loc = spread * torch.randn(components, latent.numel)
        self.params = nn.Parameter(torch.cat([loc, torch.zeros_like(loc)], -1))
        self.logits = nn.Parameter(torch.zeros(components))

    def forward(self, posterior: Posterior) -> Mixture:
        return Mixture(_diagonal, self.params, self.logits.log_softmax(0))


class Vamp(Prior):
    """p(z) = 1/M Σ_m q(z | u_m): the posterior at M learned pseudo-inputs.

    Args:
        components: M ≥ 1.
        init_scale: standard deviation of the noise around the data mean that the pseudo-inputs
            start from.

    References:
        VAE with a VampPrior (Tomczak, Welling 2018), https://arxiv.org/abs/1705.07120
    """

    log_weights: Tensor

    def __init__(
        self, latent: Field, observed: Field, *, components: int, init_scale: float = 0.1
    ) -> None:
        super().__init__()
        if components < 1:
            raise Incompatible(f"prior.components={components}: at least 1")
        self.bounded = observed.support is not Support.REAL
        mean = torch.zeros(observed.shape) if observed.mean is None else observed.mean.clone()
        if self.bounded:
            mean = mean.clamp(0.01, 0.99).logit()
        self.pseudo = nn.Parameter(mean + init_scale * torch.randn(components, *observed.shape))
        self.register_buffer("log_weights", -torch.full((components,), float(components)).log())

    @property
    def inputs(self) -> Tensor:
        """u_m, `[M, *shape]`, inside [0, 1] where the data are."""
        return self.pseudo.sigmoid() if self.bounded else self.pseudo

    def forward(self, posterior: Posterior) -> Mixture:
        return Mixture(posterior, self.inputs, self.log_weights)


def _diagonal(params: Tensor) -> DiagNormal:
    return DiagNormal(*params.chunk(2, -1))
