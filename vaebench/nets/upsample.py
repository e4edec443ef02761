"""Up-convolutions: layers that double an image's height and width."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

Up = Literal["transposed", "unpool", "nearest"]
Size = tuple[int, int]

KERNEL, STRIDE = 3, 2


def up_convolution(
    up: Up, c_in: int, c_out: int, small: Size, large: Size, kernel: int = KERNEL
) -> list[nn.Module]:
    """Layers `[B, c_in, *small]` → `[B, c_out, *large]`, the last of them a convolution.

    Args:
        up: `transposed`: the transpose of the convolution on the way down; `unpool`: each value
            becomes a block of itself and zeros, `nearest`: of copies, before a convolution of
            stride 1. The first two are the same maps, which `init=he` starts at different weights:
            a transposed convolution is an unpooling and a convolution with the kernel flipped.
        large: twice `small`, or one less.
        kernel: odd.

    References:
        Learning to Generate Chairs, Tables and Cars with Convolutional Networks (Dosovitskiy,
        Springenberg, Tatarchenko, Brox 2017), https://arxiv.org/abs/1411.5928, for unpooling
        Deconvolution and Checkerboard Artifacts (Odena, Dumoulin, Olah 2016),
        https://doi.org/10.23915/distill.00003, for nearest neighbours
    """
    padding = kernel // 2
    if up == "transposed":
        h, w = (b - (STRIDE * (a - 1) + 1) for a, b in zip(small, large, strict=True))
        return [nn.ConvTranspose2d(c_in, c_out, kernel, STRIDE, padding, output_padding=(h, w))]
    enlarge = Unpool(large) if up == "unpool" else nn.Upsample(large, mode="nearest")
    return [enlarge, nn.Conv2d(c_in, c_out, kernel, padding=padding)]


class Unpool(nn.Module):
    """Each value becomes a block, itself in the top left corner and zeros elsewhere: `[*, H, W]` →
    `[*, sH, sW]`, cropped to a size. y[s·i, s·j] = x[i, j].

    Args:
        size: height and width to crop to.
        stride: s.
    """

    def __init__(self, size: Size, stride: int = STRIDE) -> None:
        super().__init__()
        self.size, self.stride = size, stride

    def forward(self, x: Tensor) -> Tensor:
        zeros = self.stride - 1
        blocks = F.pad(x[..., :, None, :, None], (0, zeros, 0, 0, 0, zeros))
        height, width = self.size
        return blocks.flatten(-2).flatten(-3, -2)[..., :height, :width]
