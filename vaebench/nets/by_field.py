"""Nets chosen by what they read and make."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from vaebench.data import Field, Support
from vaebench.nets.base import ACTIVATIONS, Activation, Family, Shape, widths
from vaebench.nets.join import Fields, side_by_side


class ByField(Family):
    """Each field is read by a net of a family that suits it; what the nets say of them, side by side,
    goes through one layer. A decoder is of the family that suits what it makes.

    Args:
        images: family of what has the shape [C, H, W].
        vectors: of labels, and of all other numbers.
        tokens: of sentences, as they are read.
        features: how many numbers each of several fields becomes.
        activation: of them, before the layer.
    """

    def __init__(
        self,
        *,
        images: Family,
        vectors: Family,
        tokens: Family,
        features: int,
        activation: Activation,
    ) -> None:
        self.images, self.vectors, self.tokens = images, vectors, tokens
        (self.features,) = widths("nets.features", [features])
        self.activation = ACTIVATIONS[activation]

    def encoder(self, data: Field | Fields, out_shape: Shape) -> nn.Module:
        fields = {"data": data} if isinstance(data, Field) else data
        if len(fields) == 1:
            (field,) = fields.values()
            return self._reader(field).encoder(fields, out_shape)
        nets = [self._reader(f).encoder({n: f}, (self.features,)) for n, f in fields.items()]
        layer = nn.Linear(len(nets) * self.features, math.prod(out_shape))
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
        return Featured(nets, nn.Sequential(self.activation(), layer, nn.Unflatten(-1, out_shape)))

    def decoder(
        self,
        in_shape: Shape,
        out_shape: Shape,
        mean: Tensor | None,
        params_for_mean: Callable[[Tensor], Tensor],
    ) -> nn.Module:
        family = self.images if len(out_shape) >= 3 else self.vectors
        if mean is None:  # it starts at 0, whatever other fields start at
            return family.decoder(in_shape, out_shape, torch.zeros(out_shape), lambda zeros: zeros)
        return family.decoder(in_shape, out_shape, mean, params_for_mean)

    def _reader(self, field: Field) -> Family:
        if field.support is Support.TOKENS:
            return self.tokens
        return self.images if len(field.shape) == 3 else self.vectors


class Featured(nn.Module):
    """A net for each of several contexts, and one of their features side by side."""

    def __init__(self, nets: Sequence[nn.Module], last: nn.Module) -> None:
        super().__init__()
        self.nets, self.last = nn.ModuleList(nets), last

    def forward(self, *contexts: Tensor) -> Tensor:
        features = (net(context) for net, context in zip(self.nets, contexts, strict=True))
        return self.last(side_by_side(features))
