"""Fully connected nets."""

from __future__ import annotations

import math

from torch import nn

from vaebench.data import Field
from vaebench.nets.base import Activation, Init, OutputBias, Shape, Uniform, widths


class MLP(Uniform):
    """Fully connected layers; the decoder mirrors the encoder.

    Args:
        hidden: widths of the encoder's hidden layers; empty for linear nets.
        activation, init, output_bias: of every `Uniform`.
    """

    def __init__(
        self, *, hidden: list[int], activation: Activation, init: Init, output_bias: OutputBias
    ) -> None:
        super().__init__(activation=activation, init=init, output_bias=output_bias)
        self.hidden = widths("nets.hidden", hidden)

    def build_encoder(self, data: Field, out_shape: Shape) -> nn.Module:
        return self._layers(data.shape, self.hidden, out_shape)[0]

    def build_decoder(self, in_shape: Shape, out_shape: Shape) -> tuple[nn.Module, nn.Parameter]:
        return self._layers(in_shape, self.hidden[::-1], out_shape)

    def _layers(
        self, in_shape: Shape, hidden: list[int], out_shape: Shape
    ) -> tuple[nn.Module, nn.Parameter]:
        net = nn.Sequential(nn.Flatten(-len(in_shape)))
        width = math.prod(in_shape)
        for h in hidden:
            net.extend([nn.Linear(width, h), self.activation()])
            width = h
        last = nn.Linear(width, math.prod(out_shape))
        net.extend([last, nn.Unflatten(-1, out_shape)])
        return net, last.bias
