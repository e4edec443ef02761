"""Weights that are known for sure, under a prior or not, or only up to Gaussian noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from vaebench.errors import Incompatible
from vaebench.nets.base import Regularised
from vaebench.nets.conditioner import MaskedLinear
from vaebench.nets.pixels import MaskedConv
from vaebench.suggest import unknown

MASKED = (MaskedLinear, MaskedConv)


def point(model: nn.Module) -> None:
    """Weights are numbers."""


class WeightPrior(Regularised):
    """p(θ) = N(0, sd² I) over parameters of a model, whose price is Σ θ² / (2 sd²).

    Args:
        model: whose; it holds this module, which has no parameters of its own.
        names: of the parameters.
        sd: standard deviation.
    """

    def __init__(self, model: nn.Module, names: Sequence[str], sd: float) -> None:
        super().__init__()
        self._model = (model,)  # not a child of its own child
        self.names, self.sd = tuple(names), sd

    def penalty(self) -> Tensor:
        # Asked of the model each time: they may have been swapped for others since.
        now = dict(self._model[0].named_parameters())
        squares = torch.stack([now[name].square().sum() for name in self.names]).sum()
        return squares / (2 * self.sd**2)


def maximum_a_posteriori(model: nn.Module, *, sd: float, of: list[str]) -> None:
    """Weights are numbers, under a Gaussian prior.

    Args:
        sd: standard deviation, positive and finite.
        of: parts of the model, such as `posterior` or `posterior.head`, under whose parameters'
            names it is; empty: all.
    """
    if not 0 < sd < math.inf:
        raise Incompatible(f"weights.sd={sd}: must be positive and finite")
    names = [name for name, _ in model.named_parameters()]
    for part in of:
        depth = part.count(".") + 1
        known = dict.fromkeys(".".join(name.split(".")[:depth]) for name in names)
        if (told := unknown("weights.of", [part], known)) is not None:
            raise Incompatible(told)
    under = tuple(f"{part}." for part in of) or ("",)
    names = [name for name in names if f"{name}.".startswith(under)]
    model.add_module("weight_prior", WeightPrior(model, names, sd))


class AdaptiveNoise(Regularised):
    """q(w) = N(μ, σ²) for each weight of a layer, with learned μ and σ; training sees one draw for
    each step, evaluation the means.

    The price, once for the whole data set, is KL(q(w) ‖ N(m, s²)) with the m and s of the layer
    that make it least: Σ_w log(s / σ_w), s² = mean of σ_w² + (μ_w - m)².

    Args:
        layer: whose weight it is.
        relative: initial σ, in units of the layer's own spread.

    References:
        Practical Variational Inference for Neural Networks (Graves 2011)
        Deep AutoRegressive Networks (Gregor, Danihelka, Mnih, Blundell, Wierstra 2014), as adaNoise
    """

    note: ClassVar[str] = "the loss includes KL(q(weights) ‖ p(weights)) / N; no bound does"

    def __init__(self, layer: nn.Module, relative: float) -> None:
        super().__init__()
        weight = layer.weight
        assert isinstance(weight, Tensor)
        self._used = layer.mask.bool() if isinstance(layer, MASKED) else slice(None)
        spread = weight.detach()[self._used].std(correction=0).clamp(min=1e-3)
        self.log_sd = nn.Parameter(torch.full_like(weight, float((relative * spread).log())))
        self._layer: tuple[Any] = (layer,)  # not a child of its own child
        self.noise: Tensor | None = None

    def draw(self, normal: Callable[[Sequence[int], Tensor], Tensor]) -> None:
        """New noise, which stays until it is forgotten.

        Args:
            normal: shape and an example of dtype and device → N(0, 1) draws.
        """
        self.noise = normal(self.log_sd.shape, self.log_sd)

    def forget(self) -> None:
        """Means from now on."""
        self.noise = None

    def forward(self, mean: Tensor) -> Tensor:
        if not self.training or self.noise is None:
            return mean
        return mean + self.log_sd.exp() * self.noise

    def penalty(self) -> Tensor:
        """KL(q(w) ‖ N(m, s²)), a scalar."""
        mean = self._layer[0].parametrizations.weight.original[self._used]
        log_sd = self.log_sd[self._used]  # a weight under a mask is none
        variance = ((2 * log_sd).exp() + (mean - mean.mean()).square()).mean()
        return 0.5 * variance.log() * mean.numel() - log_sd.sum()


def gaussian(model: nn.Module, *, relative_sd: float) -> None:
    """Every weight of the model's linear and convolutional layers under adaptive noise; biases stay.

    Args:
        relative_sd: initial σ in units of each layer's own spread, positive.
    """
    if not relative_sd > 0:
        raise Incompatible(
            f"weights.relative_sd={relative_sd}: must be positive. Use weights.relative_sd=0.1."
        )
    layers = [m for m in model.modules() if isinstance(m, nn.Linear | nn.modules.conv._ConvNd)]
    if not layers:
        raise Incompatible(
            "this weights is of linear and convolutional layers, and this model has none with these "
            "parts.",
            "weights",
            "model",
        )
    for layer in layers:
        parametrize.register_parametrization(layer, "weight", AdaptiveNoise(layer, relative_sd))
