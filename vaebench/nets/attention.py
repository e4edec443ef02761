"""A grid of Gaussian filters that reads a patch of an image, or writes one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaebench.errors import Incompatible
from vaebench.nets.base import Shape
from vaebench.nets.join import side_by_side
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
        means: μ_X, columns of the filters' centres, and μ_Y, their rows: `[*, 2, N]`.
        sd: σ, in pixels, `[*]`.
        gamma: γ, what is read is multiplied by and what is written divided by, `[*]`.
        size: (B, A).

    References:
        DRAW: A Recurrent Neural Network For Image Generation (Gregor, Danihelka, Graves, Jimenez
        Rezende, Wierstra 2015), eq. 19-28, https://arxiv.org/abs/1502.04623
    """

    means: Tensor
    sd: Tensor
    gamma: Tensor
    size: Shape

    @property
    def mean_x(self) -> Tensor:
        """μ_X, `[*, N]`."""
        return self.means[..., 0, :]

    @property
    def mean_y(self) -> Tensor:
        """μ_Y, `[*, N]`."""
        return self.means[..., 1, :]

    @cached_property
    def filters(self) -> tuple[Tensor, Tensor]:
        """F_Y `[*, N, B]` and F_X `[*, N, A]`."""
        pixels = torch.arange(
            1, max(self.size) + 1, dtype=self.means.dtype, device=self.means.device
        )
        distance = (pixels - self.means.unsqueeze(-1)) * (math.sqrt(0.5) / _per_image(self.sd))
        across, down = distance.square().neg().unbind(-3)
        rows, columns = self.size
        return down[..., :rows].softmax(-1), across[..., :columns].softmax(-1)

    def read(self, *images: Tensor) -> Tensor:
        """γ F_Y x F_Xᵀ of each channel of each image: `[*, C, B, A]` each → `[*, ΣC, N, N]`."""
        f_y, f_x = (f.unsqueeze(-3) for f in self.filters)
        f_x = f_x.mT
        return _per_image(self.gamma) * side_by_side([f_y @ x @ f_x for x in images], 3)

    def write(self, patches: Tensor) -> Tensor:
        """F_Yᵀ w F_X / γ of each channel: `[*, C, N, N]` → `[*, C, B, A]`."""
        f_y, f_x = (f.unsqueeze(-3) for f in self.filters)
        return f_y.mT @ (patches / _per_image(self.gamma)) @ f_x


def window(params: Tensor, n: int, size: Shape) -> Window:
    """The grid of parameters (ĝ_X, ĝ_Y, log σ², log δ̂, log γ), `[*, 5]`.

    g_X = (A + 1)/2 (ĝ_X + 1), δ = (max(A, B) - 1)/(N - 1) δ̂, μ_i = g + (i - N/2 - ½) δ.
    """
    centres, logs = params.split([2, PARAMETERS - 2], -1)
    log_variance, log_stride, log_gamma = logs.clamp(-LARGEST, LARGEST).unbind(-1)
    rows, columns = size
    dtype, device = params.dtype, params.device
    middle = torch.linspace((columns + 1) / 2, (rows + 1) / 2, 2, dtype=dtype, device=device)
    steps = torch.arange(0.5 - n / 2, n / 2, dtype=dtype, device=device)
    pitch = (max(size) - 1) / max(1, n - 1) * steps
    spread = log_stride.exp().unsqueeze(-1) * pitch
    return Window(
        means=torch.addcmul(middle, middle, centres).unsqueeze(-1) + spread.unsqueeze(-2),
        sd=(0.5 * log_variance).exp(),
        gamma=log_gamma.exp(),
        size=size,
    )


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
        centred: whether the grid's centre stays in the middle of the image.

    Attributes:
        widths: numbers that it reads: of each image, or through the grid of all.
    """

    def __init__(
        self, hidden: int, shape: Shape, images: int, n: int, *, centred: bool = False
    ) -> None:
        super().__init__()
        self.n, self.dims, self.centred = n, len(shape), centred
        self.size = shape[-2:]
        self.widths = (images * shape[0] * n * n,) if n else (math.prod(shape),) * images
        self.attend = tiling(hidden, n, shape[-2:]) if n else None

    def prepare(self, image: Tensor) -> Tensor:
        """An image `[*, *shape]` as `forward` takes it; to be done once for one read at every step."""
        return image if self.attend else image.flatten(-self.dims)

    def forward(self, state: Tensor, *images: Tensor) -> tuple[list[Tensor], Window | None]:
        """`[*, hidden]` and prepared images → what is read, `[*, width]` each, and where; without a
        grid these are the images themselves."""
        if self.attend is None:
            return [*images], None
        params = self.attend(state)
        if self.centred:
            params = F.pad(params[..., 2:], (2, 0))
        grid = window(params, self.n, self.size)
        return [grid.read(*images).flatten(-3)], grid


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
