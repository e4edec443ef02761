"""Posterior heads: densities of a latent vector z with event shape `[D]`."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from vaebench.data import Field, Support
from vaebench.distributions import BernoulliLogits, Delta, DiagNormal, FullNormal, OneHot
from vaebench.errors import Incompatible
from vaebench.heads.base import Head


class Gaussian(Head):
    """q(z | x) = N(μ(x), diag σ²(x)), with log σ as the free parameter.

    References:
        Auto-Encoding Variational Bayes (Kingma, Welling 2014), https://arxiv.org/abs/1312.6114
    """

    def __init__(self, latent: Field) -> None:
        super().__init__()
        self.param_shape = (2 * latent.numel,)

    def forward(self, params: Tensor) -> DiagNormal:
        loc, log_scale = params.chunk(2, -1)
        return DiagNormal(loc, log_scale)


class FullGaussian(Head):
    """q(z | x) = N(μ(x), L(x) L(x)ᵀ), L lower triangular with diagonal exp(·).

    D + D(D+1)/2 parameters for a latent of width D.

    References:
        Stochastic Backpropagation and Approximate Inference in Deep Generative Models
        (Rezende, Mohamed, Wierstra 2014), https://arxiv.org/abs/1401.4082
    """

    place: Tensor

    def __init__(self, latent: Field) -> None:
        super().__init__()
        self.size = latent.numel
        self.param_shape = (2 * self.size + self.size * (self.size - 1) // 2,)
        rows, columns = torch.tril_indices(self.size, self.size, offset=-1)
        self.register_buffer("place", rows * self.size + columns, persistent=False)

    def forward(self, params: Tensor) -> FullNormal:
        below = params.shape[-1] - 2 * self.size
        loc, log_diagonal, lower = params.split([self.size, self.size, below], -1)
        flat = params.new_zeros(*params.shape[:-1], self.size**2)
        flat = flat.index_copy(-1, self.place, lower)
        tril = flat.unflatten(-1, (self.size, self.size)) + torch.diag_embed(log_diagonal.exp())
        return FullNormal(loc, tril)


class Bits(Head):
    """q(z | x) = Π_d Bernoulli(z_d; sigmoid(l_d(x))), for z in {0, 1}^D.

    References:
        The Helmholtz Machine (Dayan, Hinton, Neal, Zemel 1995)
    """

    support: ClassVar[Support] = Support.BINARY

    def __init__(self, latent: Field) -> None:
        super().__init__()
        self.param_shape = latent.shape

    def forward(self, params: Tensor) -> BernoulliLogits:
        return BernoulliLogits(params)


class Categorical(Head):
    """q(z | x) = Π_d softmax(l_d(x))[z_d]: D variables of C classes each, z one-hot in {0, 1}^(D C).

    Args:
        classes: C ≥ 2.

    References:
        Categorical Reparameterization with Gumbel-Softmax (Jang, Gu, Poole 2017),
        https://arxiv.org/abs/1611.01144
    """

    support: ClassVar[Support] = Support.ONE_HOT

    def __init__(self, latent: Field, *, classes: int) -> None:
        super().__init__()
        if classes < 2:
            raise Incompatible(f"posterior.classes={classes}: at least 2")
        self.classes, self.param_shape = classes, (latent.numel * classes,)

    def forward(self, params: Tensor) -> OneHot:
        return OneHot(params.unflatten(-1, (-1, self.classes)))


class PointMass(Head):
    """q(z | x) = δ(z - f(x)): the deterministic encoder of an autoencoder.

    References:
        Reducing the Dimensionality of Data with Neural Networks (Hinton, Salakhutdinov 2006)
    """

    def __init__(self, latent: Field) -> None:
        super().__init__()
        self.param_shape = latent.shape

    def forward(self, params: Tensor) -> Delta:
        return Delta(params)


def suited(latent: Field) -> Head:
    """The plainest head of a latent: independent bits or classes, or a diagonal Gaussian."""
    if latent.support is Support.ONE_HOT:
        variables = Field((latent.numel // latent.levels,))
        return Categorical(variables, classes=latent.levels)
    return Bits(latent) if latent.support is Support.BINARY else Gaussian(latent)
