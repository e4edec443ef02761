"""A linear-Gaussian model with frozen weights, of which all is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from vaebench.algebra import low_rank_log_prob
from vaebench.data import Field, Spec
from vaebench.heads import Head
from vaebench.heads.likelihoods import Gaussian as GaussianLikelihood
from vaebench.heads.priors import Normal
from vaebench.models import VAE, unrefined
from vaebench.nets import MLP


class LinearGaussian:
    """x = W z + σ ε with z ~ N(0, I): log p(x) and p(z | x) are known.

    Attributes:
        w: W, `[X, D]`.
        noise: σ.
    """

    def __init__(self, w: Tensor, noise: float) -> None:
        self.w, self.noise = w, noise
        self.precision = torch.eye(w.shape[1]) + w.T @ w / noise**2

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """x ~ p(x), `[n, X]`."""
        z = torch.randn(n, self.w.shape[1], generator=generator)
        return z @ self.w.T + self.noise * torch.randn(n, len(self.w), generator=generator)

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x), `[n]`."""
        scale = torch.tensor([self.noise], dtype=torch.float64)
        return low_rank_log_prob(x.double(), self.w.double(), scale)

    @property
    def diagonal_gap(self) -> float:
        """KL(q ‖ p(z | x)) of the best diagonal Gaussian, the same for every x: ½ (Σ_d log Λ_dd -
        log det Λ), where Λ is the posterior's precision."""
        precision = self.precision.double()
        return 0.5 * float(precision.diagonal().log().sum() - torch.logdet(precision))

    def posterior_mean(self) -> Tensor:
        """A of E[z | x] = A x, `[D, X]`."""
        return torch.linalg.solve(self.precision, self.w.T) / self.noise**2

    def vae(
        self,
        posterior: Callable[[Field], Head],
        refine: Callable[[Mapping[str, Field], Mapping[str, Field]], Any] = unrefined,
    ) -> VAE:
        """The model as a VAE whose decoder is frozen and whose encoder is linear."""
        model = VAE(
            Spec({"x": Field((len(self.w),))}, 1),
            latent_dim=self.w.shape[1],
            nets=MLP(hidden=[], activation="tanh", init="glorot", output_bias="zero"),
            posterior=posterior,
            prior=Normal,
            likelihood=partial(GaussianLikelihood, variance="fixed", scale=self.noise),
            refine=refine,
        )
        with torch.no_grad():
            decoder: Any = model.get_submodule("likelihood.net.1")
            decoder.weight.copy_(self.w)
            decoder.bias.zero_()
            # The location begins where it should be; nothing else begins to depend on x much.
            encoder: Any = model.get_submodule("posterior.net.1")
            encoder.weight.mul_(0.02)
            encoder.weight[: self.w.shape[1]] = self.posterior_mean()
            encoder.bias[: self.w.shape[1]] = 0
            narrow = slice(self.w.shape[1], 2 * self.w.shape[1])
            encoder.weight[narrow] = 0
            encoder.bias[narrow] = -0.5 * self.precision.diagonal().log()
            encoder.bias[narrow.stop :].normal_(std=0.5)
        model.likelihood.requires_grad_(False)
        return model


def correlated(dim: int, observed: int, noise: float, generator: torch.Generator) -> LinearGaussian:
    """W whose columns lean towards each other, so that the posterior is far from factorial."""
    apart = torch.randn(observed, dim, generator=generator)
    w = apart + torch.randn(observed, 1, generator=generator)
    return LinearGaussian(w / math.sqrt(observed), noise)
