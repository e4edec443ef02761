"""Small nets of a value and a context: masked ones whose outputs see the earlier inputs alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaebench.nets.base import ACTIVATIONS, Activation, widths
from vaebench.nets.precision import Multiplies


class MaskedLinear(nn.Linear):
    """A linear layer some of whose weights are 0.

    Args:
        mask: which are not, `[out, in]`.
    """

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.mask * self.weight, self.bias)


class MaskableLinear(nn.Linear):
    """A linear layer that is told at each call which of its weights are not 0, `[out, in]`."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        return F.linear(x, self.weight * mask, self.bias)


class Conditioner(Multiplies):
    """z `[*, in]` and a context `[*, C]` → `[*, out]`.

    The context enters the first layer and the output, each through a layer of its own: it reaches
    outputs that no input may reach. It is broadcast, so that it is computed once for all samples.

    Args:
        layers: of z; at least one.
        context: C; 0: none.
        activation: between layers.
        spread: initial scale of the last layer's weights: a small one begins near constants.
    """

    layers: Sequence[nn.Linear]

    def __init__(
        self, layers: Sequence[nn.Linear], context: int, activation: Activation, spread: float
    ) -> None:
        super().__init__()
        self.layers = cast("Sequence[nn.Linear]", nn.ModuleList(layers))
        self.activation = ACTIVATIONS[activation]()
        ends = (layers[0], layers[-1]) if len(layers) > 1 else (layers[-1],)
        self.contexts = nn.ModuleList(
            nn.Linear(context, layer.out_features, bias=False) for layer in ends if context
        )
        with torch.no_grad():
            for last in (layers[-1], *self.contexts[-1:]):
                last.weight.mul_(spread)
            layers[-1].bias.zero_()

    def forward(self, z: Tensor, context: Tensor) -> Tensor:
        found: Tensor = self.multiplied(self._numbers, z, context)
        return found

    def _numbers(self, z: Tensor, context: Tensor) -> Tensor:
        added = [layer(context) for layer in self.contexts]
        first, last = (added[0], added[-1]) if added else (0.0, 0.0)
        if len(self.layers) == 1:
            return self.layers[0](z) + last
        h = self.layers[0](z) + first
        for layer in self.layers[1:]:
            h = layer(self.activation(h))
        return h + last


def plain(
    inputs: int,
    outputs: int,
    hidden: Sequence[int],
    context: int,
    activation: Activation,
    spread: float = 0.1,
) -> Conditioner:
    """Every output sees every input."""
    sizes = [inputs, *widths("hidden", list(hidden)), outputs]
    return Conditioner([nn.Linear(a, b) for a, b in pairwise(sizes)], context, activation, spread)


def made(
    order: Tensor,
    outputs: int,
    hidden: Sequence[int],
    context: int,
    activation: Activation,
    *,
    spread: float = 0.1,
    degrees: torch.Generator | None = None,
) -> Conditioner:
    """Outputs of coordinate i see the coordinates before it in the order, and all of the context.

    Args:
        order: position of each coordinate, `[D]`.
        outputs: numbers for each coordinate; those of the first number of all come first, `[D]`.
        hidden: widths of hidden layers.
        degrees: draws the hidden units' degrees; without it they are spread evenly.

    References:
        MADE: Masked Autoencoder for Distribution Estimation (Germain, Gregor, Murray, Larochelle
        2015), https://arxiv.org/abs/1502.03509
    """
    masks = made_masks(order, outputs, widths("hidden", list(hidden)), degrees)
    return Conditioner([MaskedLinear(mask) for mask in masks], context, activation, spread)


def made_masks(
    order: Tensor, outputs: int, hidden: Sequence[int], degrees: torch.Generator | None = None
) -> list[Tensor]:
    """The masks of a MADE's layers, `[out, in]` each.

    A hidden unit of degree d sees coordinates at positions ≤ d, and is seen by later ones.
    """
    dim = len(order)
    levels = order
    masks: list[Tensor] = []
    for width in hidden:
        if degrees is None:
            own = torch.arange(width) % max(1, dim - 1)
        else:
            # A unit below the least degree of the layer before would see nothing.
            low = int(levels.min()) if masks else 0
            own = torch.randint(low, max(low + 1, dim - 1), (width,), generator=degrees)
        masks.append((own[:, None] >= levels[None, :]).to(torch.get_default_dtype()))
        levels = own
    last = (order[:, None] > levels[None, :]).to(torch.get_default_dtype())
    return [*masks, last.repeat(outputs, 1)]
