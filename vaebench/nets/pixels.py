"""What nets over images have in common whose numbers of a pixel see the pixels before it alone."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaebench.errors import Incompatible
from vaebench.nets.precision import Multiplies

Image = tuple[int, int, int]
"""Colours C, height H and width W."""

Walk = Callable[[int, Tensor], Tensor]
"""A position and the images so far `[N, C, H, W]` → numbers of the entry there, `[N, outputs]`."""

SPREAD = 0.1
"""Initial scale of the last layer's weights, as of other nets that are added to something."""


def as_image(shape: tuple[int, ...]) -> Image:
    """A shape of at most three dimensions as that of an image: a vector is a row of grey pixels."""
    colours, height, width = (1,) * (3 - len(shape)) + shape
    return colours, height, width


def raster(shape: Image) -> Tensor:
    """Position of each entry `[C, H, W]`: row by row, and within a pixel colour by colour."""
    colours, height, width = shape
    order = torch.arange(height * width * colours).view(height, width, colours)
    return order.permute(2, 0, 1).contiguous()


def window(kernel: int, shape: Image) -> tuple[int, int]:
    """How many rows above and columns beside a pixel a window of so many pixels each way holds; 0:
    all there are.

    Raises:
        Incompatible: it has no middle, or holds nothing else.
    """
    if kernel < 0 or (kernel and kernel % 2 == 0) or kernel == 1:
        raise Incompatible(f"likelihood.kernel={kernel}: odd, at least 3, or 0 for all pixels")
    most = [max(1, size - 1) for size in shape[1:]]
    rows, columns = (min(kernel // 2, m) if kernel else m for m in most)
    return rows, columns


class MaskedConv(nn.Conv2d):
    """A convolution some of whose weights are 0, without padding.

    Args:
        mask: which are not, `[out, in, height, width]`.
    """

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        out, inputs, height, width = mask.shape
        super().__init__(inputs, out, (height, width))
        self.register_buffer("mask", mask.to(torch.get_default_dtype()), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.mask * self.weight, self.bias)


class PixelNet(Multiplies):
    """Images `[N, C, H, W]` and what is known of each pixel `[N, M, H, W]` → `[N, outputs · C, H, W]`,
    numbers of an entry seeing all of what is known, and of the image those before it alone: pixels
    in the order in which text is read, the colours of one pixel one after the other.

    Attributes:
        size: numbers that a pass holds of each image, to size chunks.
    """

    size: int

    @abstractmethod
    def numbers(self, x: Tensor, context: Tensor) -> Tensor:
        """What `forward` says, in whatever precision."""

    @abstractmethod
    def walk(self, context: Tensor) -> Walk:
        """The same numbers entry by entry, for positions 0, 1, 2, …, at a cost that does not grow with
        the image."""

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        found: Tensor = self.multiplied(self.numbers, x, context)
        return found


def ending(layers: list[nn.Module], activation: Callable[[], nn.Module]) -> nn.Sequential:
    """The last layers, the activation before each; they begin near zero."""
    last = layers[-1]
    assert isinstance(last, nn.Linear | nn.Conv2d)
    assert last.bias is not None
    with torch.no_grad():
        last.weight.mul_(SPREAD)
        last.bias.zero_()
    return nn.Sequential(*(part for layer in layers for part in (activation(), layer)))
