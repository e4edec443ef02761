"""A masked autoencoder that can change its masks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from vaebench.nets.base import ACTIVATIONS, Activation, widths
from vaebench.nets.conditioner import MaskableLinear, made_masks
from vaebench.nets.precision import Multiplies


class MaskedNet(Multiplies):
    """x `[*, D]` → `[*, outputs · D]`, numbers of coordinate i seeing those before it alone.

    One set of weights under any of several sets of masks, each with an order of its own.

    Args:
        orders: position of each coordinate under each set of masks, `[M, D]`.
        outputs: numbers for each coordinate.
        hidden: widths of the hidden layers.
        activation: between layers.
        seed: of the hidden units' degrees; one set of masks has them spread evenly instead.

    References:
        MADE: Masked Autoencoder for Distribution Estimation (Germain, Gregor, Murray, Larochelle
        2015), https://arxiv.org/abs/1502.03509
    """

    layers: Sequence[MaskableLinear]
    orders: Tensor

    def __init__(
        self,
        orders: Tensor,
        outputs: int,
        hidden: Sequence[int],
        activation: Activation,
        seed: int = 0,
    ) -> None:
        super().__init__()
        count, dim = orders.shape
        sizes = [dim, *widths("hidden", list(hidden)), outputs * dim]
        layers = nn.ModuleList(MaskableLinear(a, b) for a, b in pairwise(sizes))
        self.layers = cast("Sequence[MaskableLinear]", layers)
        self.activation = ACTIVATIONS[activation]()
        generator = torch.Generator().manual_seed(seed) if count > 1 else None
        sets = [made_masks(order, outputs, sizes[1:-1], generator) for order in orders]
        self.register_buffer("orders", orders, persistent=False)
        for i, masks in enumerate(zip(*sets, strict=True)):
            self.register_buffer(f"masks{i}", torch.stack(masks).bool(), persistent=False)

    def forward(self, x: Tensor, which: Tensor) -> Tensor:
        """Under set of masks number `which`, a tensor `[1]`, so that no device has to wait."""
        found: Tensor = self.multiplied(self._numbers, x, which)
        return found

    def _numbers(self, x: Tensor, which: Tensor) -> Tensor:
        h = x
        for i, layer in enumerate(self.layers):
            if i:
                h = self.activation(h)
            mask = self.get_buffer(f"masks{i}").index_select(0, which)[0]
            h = layer(h, mask)
        return h
