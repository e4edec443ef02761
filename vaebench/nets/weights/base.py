"""Noise in the weights of layers: where it comes from, and while it is there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal, Protocol

from torch import Tensor, nn

from vaebench.errors import Incompatible
from vaebench.nets.base import Regularised

Estimator = Literal["local", "per_example", "shared"]
"""Who sees which draw of a layer's weights: each example the activations of one of its own, or one
of its own, or all examples and all calls of a step the same."""


class Source(Protocol):
    """Where draws come from."""

    def normal(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """N(0, 1) draws with the dtype and device of `like`."""

    def uniform(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """U[0, 1) draws with the dtype and device of `like`."""


class WeightNoise(nn.Module, ABC):
    """Noise in a layer's weights while a step of training is open; at any other time, means.

    Args:
        layer: whose weights they are.
        estimator: who sees which draw.
    """

    def __init__(self, layer: nn.Module, estimator: Estimator) -> None:
        super().__init__()
        self._layer = (layer,)  # not a child of its own child
        self.estimator = estimator
        self.source: Source | None = None
        self.noise: Tensor | None = None

    @abstractmethod
    def drawn(self, source: Source) -> Tensor | None:
        """What a whole step has in common, if it is drawn before any call."""

    def draw(self, source: Source) -> None:
        """New noise, which stays until it is forgotten."""
        self.source, self.noise = source, self.drawn(source)

    def forget(self) -> None:
        """Means from now on."""
        self.source = self.noise = None

    @property
    def local(self) -> bool:
        """Whether noise is drawn anew at each call of the layer and for each example, so that no two
        calls see the same net."""
        return self.estimator != "shared"

    @property
    def open(self) -> Source | None:
        """Where a call of the layer draws from; None: it sees means."""
        return self.source if self.training else None

    @property
    def layer(self) -> nn.Module:
        """Whose weights they are."""
        return self._layer[0]


class PricedNoise(WeightNoise, Regularised):
    """Noise with a prior, whose divergence from it is the price of the weights."""

    note: ClassVar[str] = "the loss includes KL(q(weights) ‖ p(weights)) / N; no bound does"
    term: ClassVar[str] = "kl_weights"


def layers_of(model: nn.Module) -> list[nn.Module]:
    """The layers whose weights may have noise: linear, masked and convolutional ones.

    Raises:
        Incompatible: there are none.
    """
    found: list[nn.Module] = [
        m for m in model.modules() if isinstance(m, nn.Linear | nn.modules.conv._ConvNd)
    ]
    if not found:
        raise Incompatible(
            "this weights is of linear and convolutional layers, and this model has none with these "
            "parts.",
            "weights",
            "model",
        )
    return found
