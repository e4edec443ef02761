"""A recurrent net that reads an image pixel by pixel."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaebench.errors import Incompatible
from vaebench.nets.base import ACTIVATIONS, Activation, widths
from vaebench.nets.pixels import Image, MaskedConv, PixelNet, Walk, ending, window
from vaebench.nets.precision import unrolled


class PixelRNN(PixelNet):
    """LSTMs that read the entries of an image one after the other. Of each they are told the one before
    it, what a masked convolution makes of a window of those before it, and what is known of the pixel.

    The state remembers all entries before, and the window brings those above near.

    Args:
        shape: C, H, W.
        outputs: numbers for each entry.
        context: M, numbers that are known of each pixel.
        hidden: units of each LSTM, at least one.
        kernel: of the window, 0: all pixels.
        activation: before each of the two layers that end it.

    References:
        Pixel Recurrent Neural Networks (van den Oord, Kalchbrenner, Kavukcuoglu 2016),
        https://arxiv.org/abs/1601.06759
        Generative Image Modeling Using Spatial LSTMs (Theis, Bethge 2015)
    """

    rnns: Sequence[nn.LSTM]

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
        if not hidden:
            raise Incompatible(f"likelihood.hidden={hidden}: at least one recurrent layer")
        sizes = [hidden[0], *widths("likelihood.hidden", hidden)]
        self.shape, self.outputs, self.told = shape, outputs, hidden[0]
        self.rows, self.columns = window(kernel, shape)
        self.window = MaskedConv(self._mask())
        self.before = nn.Linear(1, self.told, bias=False)
        self.context = nn.Conv2d(context, shape[0] * self.told, 1, bias=False)
        rnns = [nn.LSTM(a, b, batch_first=True) for a, b in pairwise(sizes)]
        self.rnns = cast("Sequence[nn.LSTM]", nn.ModuleList(rnns))
        ends: list[nn.Module] = [
            nn.Linear(hidden[-1], hidden[-1]),
            nn.Linear(hidden[-1], outputs),
        ]
        self.end = ending(ends, ACTIVATIONS[activation])
        self.size = 6 * max(hidden) * torch.Size(shape).numel()

    def _mask(self) -> Tensor:
        """Rows above, pixels to the left and earlier colours of the pixel at hand."""
        colours = torch.arange(self.shape[0])
        mask = torch.ones(
            len(colours) * self.told, len(colours), self.rows + 1, 2 * self.columns + 1
        )
        mask[:, :, -1, self.columns :] = 0
        earlier = colours.repeat_interleave(self.told)[:, None] > colours
        mask[:, :, -1, self.columns] = earlier.to(mask)
        return mask

    def numbers(self, x: Tensor, context: Tensor) -> Tensor:
        told = self.window(self._padded(x)) + self.context(context)
        each = told.unflatten(1, (-1, self.told)).flatten(3).permute(0, 3, 1, 2).flatten(1, 2)
        entries = x.flatten(2).transpose(1, 2).flatten(1)
        before = F.pad(entries, (1, -1)).unsqueeze(-1)
        known, _ = self._run(each + self.before(before), [None] * len(self.rnns))
        colours, height, width = self.shape
        numbers = self.end(known).view(len(x), height, width, colours, self.outputs)
        return numbers.permute(0, 4, 3, 1, 2).flatten(1, 2)

    def _padded(self, x: Tensor) -> Tensor:
        return F.pad(x, (self.columns, self.columns, self.rows, 0))

    def _run(self, told: Tensor, states: Sequence[Any]) -> tuple[Tensor, list[Any]]:
        """What is known `[N, l, hidden]` once so many entries more are told `[N, l, told]`."""
        left = []
        # cuDNN differentiates its recurrent nets in training mode alone, and once.
        with torch.backends.cudnn.flags(enabled=self.training or not torch.is_grad_enabled()):
            for rnn, state in zip(self.rnns, states, strict=True):
                told, state = unrolled(rnn, told, state)
                left.append(state)
        return told, left

    def walk(self, context: Tensor) -> Walk:
        known = self.context(context).unflatten(1, (-1, self.told))
        states: list[Any] = [None] * len(self.rnns)
        before = context.new_zeros(len(context), 1)

        def step(position: int, x: Tensor) -> Tensor:
            nonlocal states
            row, column, colour = self._place(position)
            rows, columns = slice(row, row + self.rows + 1), slice(column, column + self._across)
            seen = self.window(self._padded(x)[:, :, rows, columns])
            told = seen.view(len(x), -1, self.told)[:, colour] + known[:, colour, :, row, column]
            last = self._place(position - 1)
            entry = x[:, last[2], last[0], last[1]].unsqueeze(-1) if position else before
            found, states = self._run((told + self.before(entry)).unsqueeze(1), states)
            numbers: Tensor = self.end(found).squeeze(1)
            return numbers

        return step

    @property
    def _across(self) -> int:
        return 2 * self.columns + 1

    def _place(self, position: int) -> tuple[int, int, int]:
        """Row, column and colour."""
        pixel, colour = divmod(position, self.shape[0])
        return *divmod(pixel, self.shape[2]), colour
