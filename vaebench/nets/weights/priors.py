"""Priors over weights, and what a Gaussian q(w) = N(μ, σ²) of each pays for its distance from them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from vaebench.errors import Incompatible
from vaebench.nets.weights.base import Source

LOG_2PI = math.log(2 * math.pi)
TINY = 1e-8


class PriorOfWeights(ABC):
    """p(w) of each weight of a layer."""

    @abstractmethod
    def divergence(
        self, mean: Tensor, log_sd: Tensor, variance: Tensor, source: Source | None
    ) -> Tensor:
        """Σ_w KL(q(w) ‖ p(w)) over the weights of one layer, a scalar.

        Args:
            mean: μ of the layer's weights, `[n]`.
            log_sd: log σ, `[n]`.
            variance: σ², `[n]`, which others need, too.
            source: of draws, for whoever estimates it by one.
        """


class Fitted(PriorOfWeights):
    """N(m, s²) with the m and s of each layer that make the divergence least:
    Σ_w log(s / σ_w), s² = mean of σ_w² + (μ_w - m)².

    References:
        Practical Variational Inference for Neural Networks (Graves 2011)
        Deep AutoRegressive Networks (Gregor, Danihelka, Mnih, Blundell, Wierstra 2014), as adaNoise
    """

    def divergence(
        self, mean: Tensor, log_sd: Tensor, variance: Tensor, source: Source | None
    ) -> Tensor:
        # The mean's own gradient would be that of deviations which sum to 0.
        squares = (mean - mean.detach().mean()).square().sum()
        fitted = (variance.sum() + squares) / mean.numel()
        return 0.5 * fitted.log() * mean.numel() - log_sd.sum()


class Normal(PriorOfWeights):
    """N(0, sd²).

    Args:
        sd: positive and finite.

    References:
        Auto-Encoding Variational Bayes (Kingma, Welling 2014), https://arxiv.org/abs/1312.6114,
        appendix F
    """

    def __init__(self, *, sd: float) -> None:
        if not 0 < sd < math.inf:
            raise Incompatible(
                f"weight_prior.sd={sd}: must be positive and finite. Use weight_prior.sd=1.0."
            )
        self.sd = sd

    def divergence(
        self, mean: Tensor, log_sd: Tensor, variance: Tensor, source: Source | None
    ) -> Tensor:
        squares = variance.sum() + mean.square().sum()
        constant = mean.numel() * (math.log(self.sd) - 0.5)
        return 0.5 * squares / self.sd**2 - log_sd.sum() + constant


class LogUniform(PriorOfWeights):
    """p(log |w|) ∝ 1, an improper one: the divergence, a function of α = σ² / μ² alone, has the
    constant with which it vanishes as α → ∞.

    References:
        Variational Dropout Sparsifies Deep Neural Networks (Molchanov, Ashukha, Vetrov 2017),
        https://arxiv.org/abs/1701.05369
    """

    def divergence(
        self, mean: Tensor, log_sd: Tensor, variance: Tensor, source: Source | None
    ) -> Tensor:
        return sigmoid_kl(2 * log_sd - (mean.square() + TINY).log()).sum()


class ScaleMixture(PriorOfWeights):
    """π N(0, sd_wide²) + (1 - π) N(0, sd_narrow²); the divergence is estimated by one draw.

    Args:
        share: π, in (0, 1).
        sd_wide: positive and finite.
        sd_narrow: positive, below the other.

    References:
        Weight Uncertainty in Neural Networks (Blundell, Cornebise, Kavukcuoglu, Wierstra 2015),
        https://arxiv.org/abs/1505.05424
    """

    def __init__(self, *, share: float, sd_wide: float, sd_narrow: float) -> None:
        if not 0 < share < 1:
            raise Incompatible(
                f"weight_prior.share={share}: must lie in (0, 1). Use weight_prior.share=0.5."
            )
        if not 0 < sd_narrow < sd_wide < math.inf:
            raise Incompatible(
                f"weight_prior.sd_narrow={sd_narrow}: 0 < sd_narrow < sd_wide={sd_wide} < inf. Use "
                "weight_prior.sd_narrow=0.0025 weight_prior.sd_wide=1.0."
            )
        self.parts = ((share, sd_wide), (1 - share, sd_narrow))

    def log_prob(self, w: Tensor) -> Tensor:
        """log p(w), of the shape of w."""
        each = [
            math.log(share / sd) - 0.5 * LOG_2PI - 0.5 * (w / sd).square()
            for share, sd in self.parts
        ]
        return torch.logaddexp(*each)

    def divergence(
        self, mean: Tensor, log_sd: Tensor, variance: Tensor, source: Source | None
    ) -> Tensor:
        if source is None:
            raise RuntimeError("this divergence is estimated by a draw, and no step is open")
        w = mean + log_sd.exp() * source.normal(mean.shape, mean)
        entropy = log_sd + 0.5 * (1 + LOG_2PI)
        return -(entropy + self.log_prob(w)).sum()


# --------------------------------------------- KL(N(θ, αθ²) ‖ log-uniform), a function of α alone
# KL = E log|ε| - ½ log α - C with ε ~ N(1, α), C = -(γ + log 2) / 2: it vanishes as α → ∞.
EULER = 0.5772156649015329
CONSTANT = -0.5 * (EULER + math.log(2))

Approximation = Literal["sigmoid", "cubic"]


def sigmoid_kl(log_alpha: Tensor) -> Tensor:
    """Of any α; at most 0.0095 nats away from the divergence itself.

    References:
        Variational Dropout Sparsifies Deep Neural Networks (Molchanov, Ashukha, Vetrov 2017),
        https://arxiv.org/abs/1701.05369, eq. 14
    """
    rest = 0.63576 * torch.sigmoid(1.87320 + 1.48695 * log_alpha) - 0.63576
    return 0.5 * F.softplus(-log_alpha) - rest


def cubic_kl(log_alpha: Tensor) -> Tensor:
    """Of α ≤ 1; at most 0.041 nats away from the divergence itself, all of them below it.

    References:
        Variational Dropout and the Local Reparameterization Trick (Kingma, Salimans, Welling 2015),
        https://arxiv.org/abs/1506.02557, eq. 14
    """
    a = log_alpha.exp()
    polynomial = a * (1.16145124 + a * (-1.50204118 + a * 0.58629921))
    return -(CONSTANT + 0.5 * log_alpha + polynomial)


APPROXIMATIONS: dict[str, Callable[[Tensor], Tensor]] = {"sigmoid": sigmoid_kl, "cubic": cubic_kl}
