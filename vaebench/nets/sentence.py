"""The family of nets that read sentences."""

from __future__ import annotations

import math

from torch import nn

from vaebench.data import Field
from vaebench.nets.base import Init, Shape, Uniform, widths
from vaebench.nets.language import Cell, SentenceReader


class Recurrent(Uniform):
    """A recurrent net that reads a sentence; what it remembers of it is all that z is made of. On
    the way back z becomes the context of `likelihood=sentence` by one linear layer.

    Args:
        cell: `lstm` or `gru`.
        embedding: width of a token's vector.
        hidden: width of the state.
        init: of the linear layers.

    References:
        Generating Sentences from a Continuous Space (Bowman, Vilnis, Vinyals, Dai, Jozefowicz,
        Bengio 2016), https://arxiv.org/abs/1511.06349
    """

    reads_tokens = True

    def __init__(self, *, cell: Cell, embedding: int, hidden: int, init: Init) -> None:
        super().__init__(activation="tanh", init=init, output_bias="zero")
        self.cell: Cell = cell
        (self.embedding,) = widths("nets.embedding", [embedding])
        (self.hidden,) = widths("nets.hidden", [hidden])

    def build_encoder(self, data: Field, out_shape: Shape) -> nn.Module:
        reader = SentenceReader(data.levels, self.cell, self.embedding, self.hidden)
        last = nn.Linear(self.hidden, math.prod(out_shape))
        return nn.Sequential(reader, last, nn.Unflatten(-1, out_shape))

    def build_decoder(self, in_shape: Shape, out_shape: Shape) -> tuple[nn.Module, nn.Parameter]:
        layer = nn.Linear(math.prod(in_shape), math.prod(out_shape))
        net = nn.Sequential(nn.Flatten(-len(in_shape)), layer, nn.Unflatten(-1, out_shape))
        return net, layer.bias
