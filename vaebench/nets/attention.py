"""A grid of Gaussian filters that reads a patch of an image, or writes one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from vaebench.errors import Incompatible
from vaebench.nets.base import Shape
from vaebench.nets.precision import Multiplies

LARGEST = 20.0
"""Bound on the logarithms of σ², δ̂ and γ: no filter overflows however far training strays."""

PARAMETERS = 5


@dataclass(frozen=True)
class Window:
    """An N × N grid of filters on images of B rows and A columns; pixels are counted from 1.

    F[i, a] ∝ exp(-(a - μ_i)² / 2σ²), and each row of it sums to 1: a filter that has left the image
    sees the pixel where it left.

    Attributes:
        mean_x: μ_X, columns of the filters' centres, `[*, N]`.
        mean_y: μ_Y, their rows, `[*, N]`.
        sd: σ, in pixels, `[*]`.
        gamma: γ, what is read is multiplied by and what is written divided by, `[*]`.
        size: (B, A).

    References:
        DRAW: A Recurrent Neural Network For Image Generation (Gregor, Danihelka, Graves, Jimenez
        Rezende, Wierstra 2015), eq. 19-28, https://arxiv.org/abs/1502.04623
    """

    mean_x: Tensor
    mean_y: Tensor
    sd: Tensor
    gamma: Tensor
    size: Shape

    @cached_property
    def filters(self) -> tuple[Tensor, Tensor]:
        """F_Y `[*, N, B]` and F_X `[*, N, A]`."""
        rows, columns = self.size
        return _filters(self.mean_y, self.sd, rows), _filters(self.mean_x, self.sd, columns)

    def read(self, images: Tensor) -> Tensor:
        """γ F_Y x F_Xᵀ of each channel: `[*, C, B, A]` → `[*, C, N, N]`."""
        f_y, f_x = (f.unsqueeze(-3) for f in self.filters)
        return _per_image(self.gamma) * (f_y @ images @ f_x.mT)

    def write(self, patches: Tensor) -> Tensor:
        """F_Yᵀ w F_X / γ of each channel: `[*, C, N, N]` → `[*, C, B, A]`."""
        f_y, f_x = (f.unsqueeze(-3) for f in self.filters)
        return f_y.mT @ (patches / _per_image(self.gamma)) @ f_x


def window(params: Tensor, n: int, size: Shape) -> Window:
    """The grid of parameters (ĝ_X, ĝ_Y, log σ², log δ̂, log γ), `[*, 5]`.

    g_X = (A + 1)/2 (ĝ_X + 1), δ = (max(A, B) - 1)/(N - 1) δ̂, μ_i = g + (i - N/2 - ½) δ.
    """
    centres, logs = params.split([2, PARAMETERS - 2], -1)
    centre_x, centre_y = centres.unbind(-1)
    log_variance, log_stride, log_gamma = logs.clamp(-LARGEST, LARGEST).unbind(-1)
    rows, columns = size
    stride = (max(size) - 1) / max(1, n - 1) * log_stride.exp()
    steps = torch.arange(1, n + 1, dtype=params.dtype, device=params.device) - n / 2 - 0.5
    spread = stride.unsqueeze(-1) * steps
    return Window(
        mean_x=((columns + 1) / 2 * (centre_x + 1)).unsqueeze(-1) + spread,
        mean_y=((rows + 1) / 2 * (centre_y + 1)).unsqueeze(-1) + spread,
        sd=(0.5 * log_variance).exp(),
        gamma=log_gamma.exp(),
        size=size,
    )


def _filters(mean: Tensor, sd: Tensor, length: int) -> Tensor:
    """`[*, N, length]`, rows summing to 1."""
    pixels = torch.arange(1, length + 1, dtype=mean.dtype, device=mean.device)
    distance = (pixels - mean.unsqueeze(-1)) * (math.sqrt(0.5) / sd)[..., None, None]
    return distance.square().neg().softmax(-1)


def _per_image(x: Tensor) -> Tensor:
    return x[..., None, None, None]


def tiling(hidden: int, n: int, size: Shape, *, even: bool = False) -> nn.Linear:
    """State → parameters of a grid that at first tiles the image: δ = max(A, B)/N and σ = δ/2.

    Args:
        even: γ = 1/δ², so that a patch of ones is written as about ones; else γ = 1.
    """
    layer, stride = nn.Linear(hidden, PARAMETERS), max(size) / n
    log_stride = math.log(stride * max(1, n - 1) / max(1, max(size) - 1))
    log_gamma = -2 * math.log(stride) if even else 0.0
    with torch.no_grad():
        layer.bias.copy_(torch.tensor([0.0, 0.0, 2 * math.log(stride / 2), log_stride, log_gamma]))
    return layer


class Reader(nn.Module):
    """State of the decoder and images → what the encoder is told of them.

    Args:
        hidden: width of the state.
        shape: of one image, `[C, B, A]` where n > 0.
        images: how many are read at the same place.
        n: N, filters on each side of the grid; 0: no attention, all pixels are read.

    Attributes:
        width: numbers that it reads.
    """

    def __init__(self, hidden: int, shape: Shape, images: int, n: int) -> None:
        super().__init__()
        self.n, self.dims = n, len(shape)
        self.size = shape[-2:]
        self.width = images * (shape[0] * n * n if n else math.prod(shape))
        self.attend = tiling(hidden, n, shape[-2:]) if n else None

    def forward(self, state: Tensor, *images: Tensor) -> tuple[list[Tensor], Window | None]:
        """`[*, hidden]` and images `[*, *shape]` each → what is read of each, together `[*, width]`,
        and where it was read."""
        if self.attend is None:
            return [x.flatten(-self.dims) for x in images], None
        grid = window(self.attend(state), self.n, self.size)
        return [grid.read(x).flatten(-3) for x in images], grid


class Writer(Multiplies):
    """State of the decoder → what is added to the canvas.

    Args:
        hidden: width of the state.
        shape: of the canvas; its last two dimensions are rows and columns where n > 0, and all
            before them channels.
        n: N, filters on each side of the grid; 0: no attention, all pixels are written.
    """

    def __init__(self, hidden: int, shape: Shape, n: int) -> None:
        super().__init__()
        self.n, self.shape = n, shape
        self.attend = tiling(hidden, n, shape[-2:], even=True) if n else None
        channels = math.prod(shape[:-2])
        self.patch = (channels, n, n) if n else shape
        # The whole canvas has a bias of its own: what it starts from.
        self.emit = nn.Linear(hidden, math.prod(self.patch), bias=n > 0)

    def forward(self, state: Tensor) -> tuple[Tensor, Window | None]:
        """`[*, hidden]` → `[*, *shape]`, and where it was written."""
        patch = self.multiplied(self.emit, state).unflatten(-1, self.patch)
        if self.attend is None:
            return patch, None
        grid = window(self.attend(state), self.n, self.shape[-2:])
        return grid.write(patch).unflatten(-3, self.shape[:-2]), grid


def check_grid(name: str, n: int) -> None:
    """Refuses a grid of fewer than no filters."""
    if n < 0:
        raise Incompatible(f"{name}={n}: filters on each side of the grid, or 0 for no attention")
