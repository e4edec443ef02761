"""Gated masked convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaebench.errors import Incompatible
from vaebench.nets.base import ACTIVATIONS, Activation, widths
from vaebench.nets.pixels import Image, MaskedConv, PixelNet, Walk, ending, window

GAIN = 1.5
"""Standard deviation of what enters a gate at first, of numbers of size 1."""


class PixelCNN(PixelNet):
    """Layers of gates tanh(a) · sigmoid(b) in two stacks: the vertical one sees all rows above, the
    horizontal one those to the left in its row and, through the vertical one, all rows above, so that
    no pixel before is out of sight. What is known of a pixel enters every gate.

    Channels of a layer are shared out over the colours, red first, and those of a colour see the same
    and earlier ones of their own pixel.

    Args:
        shape: C, H, W.
        outputs: numbers for each entry.
        context: M, numbers that are known of each pixel.
        hidden: channels of each layer, at least one layer; equal neighbours have residual paths.
        kernel: window of the first layer, 0: all pixels; that of further ones is 3.
        activation: before each of the two layers that end it.

    References:
        Pixel Recurrent Neural Networks (van den Oord, Kalchbrenner, Kavukcuoglu 2016),
        https://arxiv.org/abs/1601.06759, for the masks
        Conditional Image Generation with PixelCNN Decoders (van den Oord, Kalchbrenner, Espeholt,
        Vinyals, Graves, Kavukcuoglu 2016), https://arxiv.org/abs/1606.05328
    """

    layers: Sequence[Gated]

    def __init__(
        self,
        shape: Image,
        outputs: int,
        context: int,
        hidden: list[int],
        kernel: int,
        activation: Activation,
    ) -> None:
        super().__init__()
        colours = shape[0]
        if min(shape[1:]) == 1:
            raise Incompatible(
                "this likelihood's convolutions see rows above and columns to the left; the data have "
                "a single row or column.",
                "likelihood",
            )
        if not hidden or min(hidden) < colours:
            raise Incompatible(
                f"likelihood.hidden={hidden}: at least one layer of a channel for each of {colours} "
                "colours"
            )
        reaches = [window(kernel, shape), *[window(3, shape)] * (len(hidden) - 1)]
        sizes = pairwise([colours, *widths("likelihood.hidden", hidden)])
        layers = [
            Gated(a, b, colours, context, reach, first=not i)
            for i, ((a, b), reach) in enumerate(zip(sizes, reaches, strict=True))
        ]
        self.layers = cast("Sequence[Gated]", nn.ModuleList(layers))
        own, out = shared(hidden[-1], colours), torch.arange(colours).repeat(outputs)
        ends: list[nn.Module] = [MaskedConv(_seen(own, own)), MaskedConv(_seen(out, own))]
        self.end = ending(ends, ACTIVATIONS[activation])
        self.shape, self.outputs = shape, outputs
        self.size = 8 * max(hidden) * shape[1] * shape[2]

    def numbers(self, x: Tensor, context: Tensor) -> Tensor:
        v = h = x
        for layer in self.layers:
            v, h = layer(v, h, context)
        found: Tensor = self.end(h)
        return found

    def walk(self, context: Tensor) -> Walk:
        return _Walk(self, context)


class Gated(nn.Module):
    """One layer of both stacks.

    Args:
        inputs: channels of each stack.
        width: channels that it makes, in each stack.
        colours: that they are shared out over.
        context: channels of what is known of each pixel.
        reach: rows above and columns beside a pixel that it sees.
        first: whether it reads the image itself, whose pixel at hand, and row in the vertical stack,
            must not be seen.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        colours: int,
        context: int,
        reach: tuple[int, int],
        *,
        first: bool,
    ) -> None:
        super().__init__()
        self.first, (self.rows, self.columns) = first, reach
        own = shared(width, colours)
        # The vertical stack's row at hand knows of rows above alone, but for the image's.
        height = self.rows if first else self.rows + 1
        self.down = nn.Conv2d(inputs, 2 * width, (height, 2 * self.columns + 1))
        left = torch.ones(2 * width, inputs, 1, self.columns + 1)
        at_hand = _seen(own.repeat(2), shared(inputs, colours), before=first)
        self.across = MaskedConv(torch.cat([left[..., 1:], at_hand], -1))
        self.over = nn.Conv2d(2 * width, 2 * width, 1)
        self.context = nn.Conv2d(context, 4 * width, 1, bias=False)
        self.mix = MaskedConv(_seen(own, own))
        self.residual = not first and inputs == width
        for conv, seen in ((self.down, self.down.weight), (self.across, self.across.mask)):
            _begin(conv, torch.count_nonzero(seen[0]).item())

    def forward(self, v: Tensor, h: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Both stacks `[N, inputs, H, W]` → `[N, width, H, W]`."""
        above = F.pad(v, (0, 0, self.rows, -1 if self.first else 0))
        v, given = self.vertical(above, *self.context(context).chunk(2, 1))
        return v, self.horizontal(F.pad(h, (self.columns, 0)), given)

    def vertical(self, rows: Tensor, known: Tensor, beside: Tensor) -> tuple[Tensor, Tensor]:
        """From all rows that are seen: the vertical stack, and what the horizontal one is given of it
        and of the context."""
        down = self.down(F.pad(rows, (self.columns, self.columns)))
        found = gate(down + known)
        v = found + rows[:, :, self.rows :] if self.residual else found
        return v, self.over(down) + beside

    def horizontal(self, columns: Tensor, given: Tensor) -> Tensor:
        """From all columns that are seen: the horizontal stack."""
        found: Tensor = self.mix(gate(self.across(columns) + given))
        return found + columns[..., self.columns :] if self.residual else found


def gate(x: Tensor) -> Tensor:
    """tanh(a) · sigmoid(b), `[N, 2 width, *]` → `[N, width, *]`."""
    a, b = x.chunk(2, 1)
    return a.tanh() * b.sigmoid()


def _begin(conv: nn.Conv2d, seen: float) -> None:
    """Gates halve what they let through: with torch's own weights a deep layer would see next to
    nothing of the image."""
    assert conv.bias is not None
    nn.init.normal_(conv.weight, std=GAIN / max(1.0, seen) ** 0.5)
    nn.init.zeros_(conv.bias)


def shared(width: int, colours: int) -> Tensor:
    """The colour of each of so many channels, in order."""
    return torch.arange(width) * colours // width


def _seen(out: Tensor, inputs: Tensor, *, before: bool = False) -> Tensor:
    """Which channels see which, by their colours: the same and earlier ones, or earlier ones alone;
    `[out, in, 1, 1]`."""
    sees = out[:, None] > inputs if before else out[:, None] >= inputs
    return sees[..., None, None]


class _Walk:
    """A PixelCNN entry by entry: rows above are remembered as the vertical stack knows them, and
    columns to the left as the horizontal one does.

    Args:
        net: whose numbers are asked for.
        context: of all pixels, `[N, M, H, W]`.
    """

    def __init__(self, net: PixelCNN, context: Tensor) -> None:
        self.net, further = net, net.layers[1:]
        self.known = [layer.context(context).chunk(2, 1) for layer in net.layers]
        size, across = len(context), context.shape[-1]
        self.above = [
            context.new_zeros(size, layer.down.in_channels, layer.rows + 1, across)
            for layer in further
        ]
        self.left = self._beginning(context)
        self.given: list[Tensor] = []

    def _beginning(self, like: Tensor) -> list[Tensor]:
        return [
            like.new_zeros(len(like), layer.down.in_channels, 1, layer.columns + 1)
            for layer in self.net.layers[1:]
        ]

    def __call__(self, position: int, x: Tensor) -> Tensor:
        colours, _, width = self.net.shape
        pixel, colour = divmod(position, colours)
        row, column = divmod(pixel, width)
        if not column and not colour:
            self._next_row(x, row)
        # Nothing in the net sees the last colour of its own pixel: what was found for that is final.
        if not colour:
            self.left = [F.pad(left[..., 1:], (0, 1)) for left in self.left]
        found = self._at(x, row, column).view(len(x), self.net.outputs, colours)
        return found[..., colour]

    def _next_row(self, x: Tensor, row: int) -> None:
        first = self.net.layers[0]
        seen = F.pad(x, (0, 0, first.rows, 0))[:, :, row : row + first.rows]
        self.given, self.left = [], self._beginning(x)
        for i, layer in enumerate(self.net.layers):
            if i:
                self.above[i - 1] = seen = torch.cat([self.above[i - 1][:, :, 1:], seen], 2)
            known = (part[:, :, row : row + 1] for part in self.known[i])
            seen, given = layer.vertical(seen, *known)
            self.given.append(given)

    def _at(self, x: Tensor, row: int, column: int) -> Tensor:
        first = self.net.layers[0]
        padded = F.pad(x[:, :, row : row + 1], (first.columns, 0))
        seen = padded[..., column : column + first.columns + 1]
        for i, layer in enumerate(self.net.layers):
            if i:
                self.left[i - 1] = seen = torch.cat([self.left[i - 1][..., :-1], seen], -1)
            seen = layer.horizontal(seen, self.given[i][..., column : column + 1])
        found: Tensor = self.net.end(seen)
        return found
