"""Weights that are Gaussian and independent of each other: q(w) = N(μ, σ²) each."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from vaebench.errors import Incompatible
from vaebench.nets.weights.alpha import Alpha, check_alpha
from vaebench.nets.weights.base import Estimator, PricedNoise, Source, layers_of
from vaebench.nets.weights.layers import MASKED, by_input, leading, masked, product, product_each
from vaebench.nets.weights.priors import Approximation, Fitted, PriorOfWeights

SMALLEST = 1e-20
"""More variance, so that the root has a finite slope: of inputs that are all 0 there is none."""


class GaussianNoise(PricedNoise):
    """q(w) = N(μ, σ²) for each weight of a layer.

    Shared: W = M + S ∘ E, one E for all of a step. Per example: one E for each. Local: activations
    x W ~ N(x M, x² S²), drawn for each example and, of convolutions, for each place: the same
    distribution of each example's activation, without the covariance Σ_i a_i a'_i σ_i² that two
    examples a and a' have under a shared W.

    Args:
        layer, estimator: of every `WeightNoise`.

    References:
        Variational Dropout and the Local Reparameterization Trick (Kingma, Salimans, Welling 2015),
        https://arxiv.org/abs/1506.02557
    """

    def __init__(self, layer: nn.Module, estimator: Estimator) -> None:
        super().__init__(layer, estimator)
        self.is_masked = isinstance(layer, MASKED)
        if isinstance(layer, MASKED):  # by number, so that their number is known
            places = layer.mask.flatten().nonzero()[:, 0]
            self.register_buffer("places", places, persistent=False)

    @abstractmethod
    def deviation(self, mean: Tensor) -> Tensor:
        """σ, of the shape of the weight; its sign does not matter."""

    @abstractmethod
    def variance(self, mean: Tensor) -> Tensor:
        """σ², by a way that is shorter than a square."""

    @property
    def mean(self) -> Tensor:
        """μ, of the shape of the weight."""
        found: Any = self.layer.parametrizations
        mean: Tensor = found.weight.original
        return mean

    def used(self, weights: Tensor) -> Tensor:
        """Those that there are of numbers for each weight: one under a mask is none."""
        if not self.is_masked:
            return weights
        return weights.flatten().index_select(0, self.get_buffer("places"))

    def drawn(self, source: Source) -> Tensor | None:
        return None if self.local else source.normal(self.mean.shape, self.mean)

    def forward(self, mean: Tensor) -> Tensor:
        """The weight that the layer sees."""
        if not self.training or self.noise is None:
            return mean
        return mean + self.deviation(mean) * self.noise

    def added(self, layer: nn.Module, given: tuple[Any, ...], output: Tensor) -> Tensor:
        """What a layer that saw the means gives, with noise of each example's own."""
        source = self.open
        if source is None or not self.local:
            return output
        x, *rest = given
        if self.estimator == "per_example":
            deviation = masked(layer, tuple(rest), self.deviation(self.mean))
            shape = (*leading(layer, x), *deviation.shape)
            return output + product_each(layer, x, deviation * source.normal(shape, deviation))
        variance = masked(layer, tuple(rest), self.variance(self.mean))
        variance = product(layer, x.square(), variance)
        deviation = (variance + SMALLEST).sqrt()
        return torch.addcmul(output, deviation, source.normal(output.shape, output))

    def attach(self) -> None:
        """From now on the layer's weights have noise."""
        parametrize.register_parametrization(self.layer, "weight", self)
        self.layer.register_forward_hook(self.added)


class AdaptiveNoise(GaussianNoise):
    """With a σ of each weight's own, which is learned, and a prior p(w). The price, once for the whole
    data set, is KL(q(w) ‖ p(w)).

    Args:
        layer, estimator: of every `GaussianNoise`.
        relative: initial σ, in units of the layer's own spread.
        prior: p(w).

    References:
        Practical Variational Inference for Neural Networks (Graves 2011)
        Weight Uncertainty in Neural Networks (Blundell, Cornebise, Kavukcuoglu, Wierstra 2015),
        https://arxiv.org/abs/1505.05424
    """

    def __init__(
        self, layer: nn.Module, estimator: Estimator, relative: float, prior: PriorOfWeights
    ) -> None:
        super().__init__(layer, estimator)
        weight = layer.weight
        assert isinstance(weight, Tensor)
        spread = self.used(weight.detach()).std(correction=0).clamp(min=1e-3)
        self.log_sd = nn.Parameter(torch.full_like(weight, float((relative * spread).log())))
        self.prior = prior
        self.known: tuple[Tensor, Tensor] | None = None

    def drawn(self, source: Source) -> Tensor | None:
        self.known = (self.log_sd, self._variance()) if self.local else None
        return super().drawn(source)

    def forget(self) -> None:
        super().forget()
        self.known = None

    def deviation(self, mean: Tensor) -> Tensor:
        return self.log_sd.exp()

    def variance(self, mean: Tensor) -> Tensor:
        """Once a step, of which the price and the draw are; anew for parameters that were swapped."""
        known, log_sd = self.known, self.log_sd
        return known[1] if known is not None and known[0] is log_sd else self._variance()

    def _variance(self) -> Tensor:
        return (2 * self.log_sd).exp()

    def penalty(self) -> Tensor:
        """KL(q(w) ‖ p(w)), a scalar."""
        mean, log_sd = self.used(self.mean), self.used(self.log_sd)
        variance = self.used(self.variance(self.mean))
        return self.prior.divergence(mean, log_sd, variance, self.source)


class RelativeNoise(GaussianNoise):
    """With σ² = α μ²: dropout whose noise is independent from weight to weight, type B. Drawn locally,
    it is Gaussian noise behind the product: x W ~ N(x M, α x² M²).

    Args:
        layer, estimator: of every `GaussianNoise`.
        alpha: α.

    References:
        Variational Dropout and the Local Reparameterization Trick (Kingma, Salimans, Welling 2015),
        https://arxiv.org/abs/1506.02557, section 3.1
        Fast Dropout Training (Wang, Manning 2013)
    """

    def __init__(self, layer: nn.Module, estimator: Estimator, alpha: Alpha) -> None:
        super().__init__(layer, estimator)
        self.alpha = alpha

    def deviation(self, mean: Tensor) -> Tensor:
        return self.alpha.sd() * mean

    def variance(self, mean: Tensor) -> Tensor:
        return self.alpha.log().exp() * mean.square()

    def penalty(self) -> Tensor:
        """KL(q(w) ‖ log-uniform), a scalar."""
        return self.used(self.alpha.divergence(self.mean.shape)).sum()


FITTED = Fitted()


def gaussian(
    model: nn.Module,
    *,
    relative_sd: float,
    estimator: Estimator = "shared",
    weight_prior: PriorOfWeights = FITTED,
) -> None:
    """Every weight of the model's linear and convolutional layers Gaussian; biases stay numbers.

    Args:
        relative_sd: initial σ in units of each layer's own spread, positive.
        estimator: who sees which draw.
        weight_prior: p(w).
    """
    if not relative_sd > 0:
        raise Incompatible(
            f"weights.relative_sd={relative_sd}: must be positive. Use weights.relative_sd=0.1."
        )
    for layer in layers_of(model):
        AdaptiveNoise(layer, estimator, relative_sd, weight_prior).attach()


def dropout_b(
    model: nn.Module,
    *,
    alpha: float,
    learned: Literal["none", "layer", "unit", "weight"],
    kl: Approximation,
    estimator: Estimator,
) -> None:
    """Gaussian or, where α is learned, variational dropout with noise of each weight's own.

    Args:
        alpha: α at the start, positive.
        learned: whether there is one α to learn for each layer, input unit or channel, or weight.
        kl: form of the divergence from the log-uniform prior.
        estimator: who sees which draw.
    """
    check_alpha(alpha, kl)
    for layer in layers_of(model):
        weight = layer.weight
        assert isinstance(weight, Tensor)
        shapes = {"none": None, "layer": (), "unit": by_input(layer), "weight": weight.shape}
        RelativeNoise(layer, estimator, Alpha(alpha, shapes[learned], kl)).attach()
