"""Residual convolutional nets for images of any size."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from vaebench.errors import Incompatible
from vaebench.nets.base import Activation, Init, OutputBias
from vaebench.nets.conv import Convolutional
from vaebench.nets.upsample import KERNEL, Up


class Residual(Convolutional):
    """Convolutions with residual blocks between them; without blocks it is `nets=conv`.

    Nothing is normalised over a batch: an example's density does not depend on the others in it.

    Args:
        blocks: residual blocks at each size but the data's, on the way down and on the way up.
        gated: each branch's output is `a · sigmoid(b)` instead of `a`.
        channels, hidden, up: of every `Convolutional`.
        activation, init, output_bias: of every `Uniform`.

    References:
        Identity Mappings in Deep Residual Networks (He, Zhang, Ren, Sun 2016),
        https://arxiv.org/abs/1603.05027
    """

    def __init__(
        self,
        *,
        blocks: int,
        gated: bool,
        channels: list[int],
        hidden: int,
        up: Up = "transposed",
        activation: Activation,
        init: Init,
        output_bias: OutputBias,
    ) -> None:
        super().__init__(
            channels=channels,
            hidden=hidden,
            up=up,
            activation=activation,
            init=init,
            output_bias=output_bias,
        )
        self.blocks, self.gated = blocks, gated
        if blocks < 0:
            raise Incompatible(f"nets.blocks={blocks}: must be at least 0")

    def stage(self, channels: int) -> list[nn.Module]:
        return [Block(channels, self.activation, self.gated) for _ in range(self.blocks)]

    def _initialise(self, module: nn.Module) -> None:
        super()._initialise(module)
        if isinstance(module, Block):  # after the layers in it
            module.become_identity()


class Block(nn.Module):
    """x + f(x), where f = conv ∘ act ∘ conv ∘ act, of convolutions 3 × 3: `[B, C, H, W]` → the same.

    Gated, the last convolution gives (a, b), and f is a · sigmoid(b). It starts at zero, and the
    block as the identity.

    References:
        Fixup Initialization: Residual Learning Without Normalization (Zhang, Dauphin, Ma 2019),
        https://arxiv.org/abs/1901.09321, for the start at zero
        Conditional Image Generation with PixelCNN Decoders (van den Oord et al. 2016),
        https://arxiv.org/abs/1606.05328, and PixelCNN++ (Salimans, Karpathy, Chen, Kingma 2017),
        https://arxiv.org/abs/1701.05517, for the gate
    """

    def __init__(self, channels: int, activation: Callable[[], nn.Module], gated: bool) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            activation(),
            nn.Conv2d(channels, channels, KERNEL, padding=KERNEL // 2),
            activation(),
            nn.Conv2d(channels, channels * (1 + gated), KERNEL, padding=KERNEL // 2),
        )
        self.gate = nn.GLU(1) if gated else nn.Identity()

    def become_identity(self) -> None:
        """f = 0."""
        for parameter in self.branch[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gate(self.branch(x))
