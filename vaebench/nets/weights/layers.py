"""What a layer computes with other weights than its own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaebench.nets.conditioner import MaskedLinear
from vaebench.nets.pixels import MaskedConv

MASKED = (MaskedLinear, MaskedConv)
"""Layers with a mask of their own, whose weights under it are none."""

CONVOLUTIONS = (F.conv1d, F.conv2d, F.conv3d)
TRANSPOSED = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)
"""By the number of places' dimensions."""


def masked(layer: nn.Module, rest: tuple[Any, ...], weight: Tensor) -> Tensor:
    """A weight with zeros where the layer's mask, its own or that of this call, has them.

    Args:
        rest: what the layer is called with beside x.
    """
    if isinstance(layer, MASKED):
        return weight * layer.mask
    return weight * rest[0] if rest else weight


def product(layer: Any, x: Tensor, weight: Tensor) -> Tensor:
    """x times a weight in the place of the layer's own, without a bias: `[*, in]` → `[*, out]`, or
    images `[B, C, *places]` → `[B, C', *places']`."""
    if isinstance(layer, nn.Linear):
        return F.linear(x, weight)
    return _convolution(layer, x, weight, layer.groups)


def product_each(layer: Any, x: Tensor, weights: Tensor) -> Tensor:
    """The same with a weight of each example's own.

    Args:
        weights: `[*lead, *weight]`, with `lead` of `leading`.
    """
    if isinstance(layer, nn.Linear):
        return torch.matmul(weights, x.unsqueeze(-1)).squeeze(-1)
    # The examples as groups of channels of one image.
    size = len(x)
    one = _convolution(layer, x.flatten(0, 1).unsqueeze(0), weights.flatten(0, 1), size)
    return one.view(size, -1, *one.shape[2:])


def leading(layer: nn.Module, x: Tensor) -> torch.Size:
    """The dimensions of x that count examples."""
    return x.shape[:-1] if isinstance(layer, nn.Linear) else x.shape[:1]


def inputs(layer: Any) -> tuple[int, ...]:
    """One entry for each input unit or channel, which broadcasts over x: `[in]` or `[C, 1, …]`."""
    if isinstance(layer, nn.Linear):
        return (layer.in_features,)
    return (layer.in_channels, *(1 for _ in layer.kernel_size))


def by_input(layer: Any) -> tuple[int, ...]:
    """The same, which broadcasts over the layer's weight."""
    if isinstance(layer, nn.Linear):
        return (1, layer.in_features)
    ones = tuple(1 for _ in layer.kernel_size)
    return (layer.in_channels, 1, *ones) if layer.transposed else (1, layer.in_channels, *ones)


def _convolution(layer: Any, x: Tensor, weight: Tensor, groups: int) -> Tensor:
    kind = len(layer.kernel_size) - 1
    how = layer.stride, layer.padding
    if layer.transposed:
        return TRANSPOSED[kind](x, weight, None, *how, layer.output_padding, groups, layer.dilation)
    return CONVOLUTIONS[kind](x, weight, None, *how, layer.dilation, groups)
