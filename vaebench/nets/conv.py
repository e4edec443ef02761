"""Convolutional nets for images of any size."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from vaebench.errors import Incompatible
from vaebench.nets.base import Family, Shape, widths

KERNEL, STRIDE, PADDING = 3, 2, 1


class Conv(Family):
    """Stride-2 convolutions down, transposed convolutions up to exactly the sizes passed on the way.

    Args:
        channels: channels of each convolution; each halves height and width, rounding up.
        hidden: width of the fully connected layer between the convolutions and the latent.
    """

    def __init__(self, *, channels: list[int], hidden: int, **shared: Any) -> None:
        super().__init__(**shared)
        self.channels = widths("nets.channels", channels)
        (self.hidden,) = widths("nets.hidden", [hidden])
        if not channels:
            raise Incompatible("nets.channels=[]: at least one convolution (nets=mlp has none)")

    def build_encoder(self, in_shape: Shape, out_shape: Shape) -> nn.Module:
        sizes = self._sizes(in_shape)
        net = nn.Sequential()
        for c_in, c_out in pairwise([in_shape[0], *self.channels]):
            net.extend([nn.Conv2d(c_in, c_out, KERNEL, STRIDE, PADDING), self.activation()])
        flat = self.channels[-1] * math.prod(sizes[-1])
        net.extend([nn.Flatten(), nn.Linear(flat, self.hidden), self.activation()])
        net.extend([nn.Linear(self.hidden, math.prod(out_shape)), nn.Unflatten(-1, out_shape)])
        return FoldLeading(net, len(in_shape))

    def build_decoder(self, in_shape: Shape, out_shape: Shape) -> tuple[nn.Module, nn.Parameter]:
        folded = (math.prod(out_shape[:-2]), *out_shape[-2:]) if len(out_shape) > 2 else out_shape
        sizes = self._sizes(folded)
        top = (self.channels[-1], *sizes[-1])
        net = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(in_shape), self.hidden))
        net.extend([self.activation(), nn.Linear(self.hidden, math.prod(top)), self.activation()])
        net.append(nn.Unflatten(-1, top))
        last: nn.ConvTranspose2d | None = None
        for c, (small, large) in zip(
            pairwise([*self.channels[::-1], folded[0]]), pairwise(sizes[::-1]), strict=True
        ):
            extra = tuple(b - (STRIDE * (a - 1) + 1) for a, b in zip(small, large, strict=True))
            last = nn.ConvTranspose2d(*c, KERNEL, STRIDE, PADDING, output_padding=extra)
            net.extend([last, self.activation()])
        net[-1] = nn.Unflatten(1, out_shape[:-2])
        return FoldLeading(net, len(in_shape)), last.bias

    def shared_mean(self, mean: Tensor) -> Tensor:
        return mean.mean((-2, -1), keepdim=True).expand_as(mean)

    def _sizes(self, shape: Shape) -> list[tuple[int, int]]:
        """Height and width before and after each convolution."""
        if len(shape) != 3:
            raise Incompatible(
                f"nets=conv needs images [C, H, W]; the data have shape {list(shape)}. Use nets=mlp."
            )
        sizes = [(shape[1], shape[2])]
        for _ in self.channels:
            h, w = sizes[-1]
            sizes.append((math.ceil(h / STRIDE), math.ceil(w / STRIDE)))
        return sizes


class FoldLeading(nn.Module):
    """Runs a net of one batch dimension on any number of leading dimensions."""

    def __init__(self, net: nn.Module, event_dims: int) -> None:
        super().__init__()
        self.net, self.event_dims = net, event_dims

    def forward(self, x: Tensor) -> Tensor:
        lead = x.shape[: x.ndim - self.event_dims]
        y = self.net(x.reshape(-1, *x.shape[x.ndim - self.event_dims :]))
        return y.reshape(*lead, *y.shape[1:])
