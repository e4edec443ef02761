"""Convolutional nets for images of any size."""

from __future__ import annotations

import math
from abc import abstractmethod
from itertools import pairwise
from typing import Any, Literal

from torch import Tensor, nn

from vaebench.data import Field
from vaebench.errors import Incompatible
from vaebench.nets.base import Activation, Init, OutputBias, Shape, Uniform, widths
from vaebench.nets.join import Planes
from vaebench.nets.upsample import KERNEL, STRIDE, Size, Up, up_convolution

Down = Literal["stride", "pool"]


class Convolutional(Uniform):
    """Stride-2 convolutions down, up-convolutions up to exactly the sizes passed on the way.

    Args:
        channels: channels of each convolution; each halves height and width, rounding up.
        hidden: width of the fully connected layer between the convolutions and the latent.
        kernel: height and width of each convolution's, odd.
        down: how the encoder halves: by `stride`, or each convolution before its activation's largest
            value of four is taken, `pool`.
        up: how the decoder doubles height and width: `transposed` convolutions, or convolutions
            after `unpool`ing or after upsampling to the `nearest` value.
        activation, init, output_bias: of every `Uniform`.
    """

    joins = Planes

    def __init__(
        self,
        *,
        channels: list[int],
        hidden: int,
        kernel: int = KERNEL,
        down: Down = "stride",
        up: Up = "transposed",
        activation: Activation,
        init: Init,
        output_bias: OutputBias,
    ) -> None:
        super().__init__(activation=activation, init=init, output_bias=output_bias)
        self.channels = widths("nets.channels", channels)
        (self.hidden,) = widths("nets.hidden", [hidden])
        (self.kernel,) = widths("nets.kernel", [kernel])
        if kernel % 2 == 0:
            raise Incompatible(f"nets.kernel={kernel}: odd", options=(f"nets.kernel={kernel + 1}",))
        self.down: Down = down
        self.up: Up = up
        if not channels:
            raise Incompatible("nets.channels=[]: at least one convolution (nets=mlp has none)")

    @abstractmethod
    def stage(self, channels: int) -> list[nn.Module]:
        """Layers `[B, channels, H, W]` → the same at each size but the data's, before activation."""

    def build_encoder(self, data: Field, out_shape: Shape) -> nn.Module:
        sizes = self._sizes(data.shape)
        net = nn.Sequential()
        for c_in, c_out in pairwise([data.shape[0], *self.channels]):
            stride = STRIDE if self.down == "stride" else 1
            net.append(nn.Conv2d(c_in, c_out, self.kernel, stride, self.kernel // 2))
            pool = [] if self.down == "stride" else [nn.MaxPool2d(STRIDE, ceil_mode=True)]
            net.extend([*pool, *self.stage(c_out), self.activation()])
        flat = self.channels[-1] * math.prod(sizes[-1])
        net.extend([nn.Flatten(), nn.Linear(flat, self.hidden), self.activation()])
        net.extend([nn.Linear(self.hidden, math.prod(out_shape)), nn.Unflatten(-1, out_shape)])
        return FoldLeading(net, len(data.shape))

    def build_decoder(self, in_shape: Shape, out_shape: Shape) -> tuple[nn.Module, nn.Parameter]:
        folded = (math.prod(out_shape[:-2]), *out_shape[-2:]) if len(out_shape) > 2 else out_shape
        sizes = self._sizes(folded)
        top = (self.channels[-1], *sizes[-1])
        net = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(in_shape), self.hidden))
        net.extend([self.activation(), nn.Linear(self.hidden, math.prod(top))])
        net.append(nn.Unflatten(-1, top))
        for (c_in, c_out), (small, large) in zip(
            pairwise([*self.channels[::-1], folded[0]]), pairwise(sizes[::-1]), strict=True
        ):
            net.extend([*self.stage(c_in), self.activation()])
            net.extend(up_convolution(self.up, c_in, c_out, small, large, self.kernel))
        bias: Any = net[-1].bias  # of a convolution
        net.append(nn.Unflatten(1, out_shape[:-2]))
        return FoldLeading(net, len(in_shape)), bias

    def shared_mean(self, mean: Tensor) -> Tensor:
        return mean.mean((-2, -1), keepdim=True).expand_as(mean)

    def _sizes(self, shape: Shape) -> list[Size]:
        """Height and width before and after each convolution."""
        if len(shape) != 3:
            raise Incompatible(
                f"this nets: convolutions need images [C, H, W]; the data have shape {list(shape)}.",
                "nets",
            )
        sizes = [(shape[1], shape[2])]
        for _ in self.channels:
            h, w = sizes[-1]
            sizes.append((math.ceil(h / STRIDE), math.ceil(w / STRIDE)))
        return sizes


class Conv(Convolutional):
    """Convolutions alone."""

    def stage(self, channels: int) -> list[nn.Module]:
        return []


class FoldLeading(nn.Module):
    """Runs a net of one batch dimension on any number of leading dimensions."""

    def __init__(self, net: nn.Module, event_dims: int) -> None:
        super().__init__()
        self.net, self.event_dims = net, event_dims

    def forward(self, x: Tensor) -> Tensor:
        lead = x.shape[: x.ndim - self.event_dims]
        y = self.net(x.reshape(-1, *x.shape[x.ndim - self.event_dims :]))
        return y.reshape(*lead, *y.shape[1:])
