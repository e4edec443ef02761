"""Noise that multiplies what a layer reads: the weights of one input have it in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

from torch import Tensor, nn

from vaebench.errors import Incompatible
from vaebench.nets.weights.alpha import Alpha, check_alpha
from vaebench.nets.weights.base import PricedNoise, Source, WeightNoise, layers_of
from vaebench.nets.weights.layers import inputs, leading
from vaebench.nets.weights.priors import Approximation

OfInputs = Literal["local", "shared"]
"""A noise for each entry of each example, which of linear layers is a draw of weights for the example;
or for each entry, the same in all examples and calls of a step."""


class InputNoise(WeightNoise):
    """(x ∘ s) Θ with s of mean 1: weights w_ij = s_i θ_ij.

    Args:
        layer, estimator: of every `WeightNoise`.
    """

    @abstractmethod
    def raw(self, shape: Sequence[int], like: Tensor, source: Source) -> Tensor:
        """Noise that depends on no parameter."""

    @abstractmethod
    def factors(self, raw: Tensor) -> Tensor:
        """s of it."""

    def drawn(self, source: Source) -> Tensor | None:
        """Nothing: how large an image is, a call will tell."""
        return None

    def scaled(self, layer: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        """What the layer reads in place of what it is given."""
        source, (x, *rest) = self.open, given
        if source is None:
            return given
        if self.local:
            return (x * self.factors(self.raw(x.shape, x, source)), *rest)
        if self.noise is None:
            self.noise = self.raw(x.shape[len(leading(layer, x)) :], x, source)
        return (x * self.factors(self.noise), *rest)

    def attach(self) -> None:
        """From now on what the layer reads has noise."""
        self.layer.add_module("dropout", self)
        self.layer.register_forward_pre_hook(self.scaled)


class BinaryDropout(InputNoise):
    """s = b / (1 - p), b ~ Bernoulli(1 - p).

    Args:
        layer, estimator: of every `InputNoise`.
        rate: p.

    References:
        Dropout: A Simple Way to Prevent Neural Networks from Overfitting (Srivastava, Hinton,
        Krizhevsky, Sutskever, Salakhutdinov 2014)
    """

    def __init__(self, layer: nn.Module, estimator: OfInputs, rate: float) -> None:
        super().__init__(layer, estimator)
        self.rate = rate

    def raw(self, shape: Sequence[int], like: Tensor, source: Source) -> Tensor:
        return source.uniform(shape, like)

    def factors(self, raw: Tensor) -> Tensor:
        return (raw >= self.rate).to(raw) / (1 - self.rate)


class GaussianDropout(InputNoise, PricedNoise):
    """s ~ N(1, α): dropout whose noise all weights of an input have in common, type A. The price is
    Σ_i KL(N(1, α) ‖ p) over inputs i, with the log-uniform p(log |s_i|) ∝ 1.

    Args:
        layer, estimator: of every `InputNoise`.
        alpha: α.

    References:
        Variational Dropout and the Local Reparameterization Trick (Kingma, Salimans, Welling 2015),
        https://arxiv.org/abs/1506.02557, section 3.2
        Dropout: A Simple Way to Prevent Neural Networks from Overfitting (Srivastava, Hinton,
        Krizhevsky, Sutskever, Salakhutdinov 2014), section 10, for α that is not learned
    """

    def __init__(self, layer: nn.Module, estimator: OfInputs, alpha: Alpha) -> None:
        super().__init__(layer, estimator)
        self.alpha = alpha

    def raw(self, shape: Sequence[int], like: Tensor, source: Source) -> Tensor:
        return source.normal(shape, like)

    def factors(self, raw: Tensor) -> Tensor:
        return 1 + self.alpha.sd() * raw

    def penalty(self) -> Tensor:
        """Σ_i KL(q(s_i) ‖ log-uniform), a scalar."""
        return self.alpha.divergence(inputs(self.layer)).sum()


def dropout(model: nn.Module, *, rate: float, estimator: OfInputs) -> None:
    """What each linear and convolutional layer reads, with zeros in random places.

    Args:
        rate: the share of zeros, in (0, 1).
        estimator: who sees which draw.
    """
    if not 0 < rate < 1:
        raise Incompatible(f"weights.rate={rate}: must lie in (0, 1). Use weights.rate=0.2.")
    for layer in layers_of(model):
        BinaryDropout(layer, estimator, rate).attach()


def dropout_a(
    model: nn.Module,
    *,
    alpha: float,
    learned: Literal["none", "layer", "unit"],
    kl: Approximation,
    estimator: OfInputs,
) -> None:
    """Gaussian or, where α is learned, variational dropout with noise that the weights of an input
    have in common.

    Args:
        alpha: α at the start, positive.
        learned: whether there is one α to learn for each layer, or input unit or channel.
        kl: form of the divergence from the log-uniform prior.
        estimator: who sees which draw.
    """
    check_alpha(alpha, kl)
    for layer in layers_of(model):
        shape = {"none": None, "layer": (), "unit": inputs(layer)}[learned]
        GaussianDropout(layer, estimator, Alpha(alpha, shape, kl)).attach()
