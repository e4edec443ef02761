"""Up-convolutions: transposed, after unpooling, after upsampling to the nearest value."""

from itertools import pairwise

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn
from torch.testing import assert_close

from tests.theorems import in_float64
from vaebench.config.signatures import check_options
from vaebench.data import Field
from vaebench.errors import Refusal
from vaebench.nets import Conv, Residual
from vaebench.nets.upsample import Unpool, up_convolution
from vaebench.paths import conf_dir

__all__ = ["in_float64"]

UPS = ["transposed", "unpool", "nearest"]
SMALL_TO_LARGE = [((4, 4), (8, 8)), ((4, 3), (7, 5)), ((5, 7), (9, 14)), ((1, 2), (1, 3))]
IMAGES = [(1, 8, 8), (3, 9, 14), (1, 31, 33), (1, 28, 20), (2, 127, 65), (1, 128, 128)]
SHARED = {"hidden": 5, "activation": "elu", "init": "glorot", "output_bias": "zero"}


def families(up: str) -> list:
    return [
        Conv(channels=[2, 3, 2], up=up, **SHARED),
        Residual(channels=[2, 3, 2], blocks=1, gated=True, up=up, **SHARED),
    ]


def only(net: nn.Module, kind: type) -> nn.Module:
    (found,) = (m for m in net.modules() if isinstance(m, kind))
    return found


# ---------------------------------------------------------------------------------- transposed
@pytest.mark.parametrize("size", [(8, 8), (7, 5), (9, 14), (28, 28), (1, 3)], ids=str)
def test_the_way_up_is_the_transpose_of_the_way_down(size):
    """⟨conv x, y⟩ = ⟨x, convᵀ y⟩, of the layers that a family builds for images of this size."""
    family = Conv(channels=[4], **SHARED)
    down = only(family.encoder(Field((3, *size)), (2,)), nn.Conv2d)
    up = only(family.decoder((2,), (3, *size), None, torch.zeros_like), nn.ConvTranspose2d)
    up.weight = down.weight
    x = torch.randn(2, 3, *size)
    y = torch.randn_like(down(x))
    assert up(y).shape == x.shape
    assert_close((down(x) * y).sum(), (x * up(y)).sum())


# -------------------------------------------------------------------------------------- unpool
@pytest.mark.parametrize("stride", [2, 3])
def test_unpooling_puts_each_value_top_left_in_a_block_of_zeros(stride):
    x = torch.randn(2, 3, 4, 5)
    expected = torch.zeros(2, 3, 4 * stride, 5 * stride)
    for i in range(4):
        for j in range(5):
            expected[:, :, stride * i, stride * j] = x[:, :, i, j]
    for height, width in ((4 * stride, 5 * stride), (4 * stride - 1, 5 * stride - 1)):
        unpooled = Unpool((height, width), stride)(x)
        assert torch.equal(unpooled, expected[..., :height, :width])


@pytest.mark.parametrize(("small", "large"), SMALL_TO_LARGE, ids=str)
def test_unpooling_and_a_convolution_are_a_transposed_convolution_with_the_kernel_flipped(
    small, large
):
    unpooled = nn.Sequential(*up_convolution("unpool", 3, 2, small, large))
    (transposed,) = up_convolution("transposed", 3, 2, small, large)
    with torch.no_grad():
        transposed.weight.copy_(unpooled[-1].weight.flip(-2, -1).transpose(0, 1))
        transposed.bias.copy_(unpooled[-1].bias)
    x = torch.randn(4, 3, *small)
    assert_close(unpooled(x), transposed(x))


# ------------------------------------------------------------------------------------- nearest
def test_upsampling_repeats_each_value_in_its_block():
    for height, width in ((n, 136 - n) for n in range(8, 129)):
        small = ((height + 1) // 2, (width + 1) // 2)
        upsample, _ = up_convolution("nearest", 1, 1, small, (height, width))
        x = torch.randn(1, 1, *small)
        rows, columns = torch.arange(height) // 2, torch.arange(width) // 2
        assert torch.equal(upsample(x), x[..., rows[:, None], columns])


def test_a_decoder_goes_up_at_every_size_as_it_is_told():
    kinds = {"transposed": nn.ConvTranspose2d, "unpool": Unpool, "nearest": nn.Upsample}
    for up in UPS:
        for family in families(up):
            decoder = family.decoder((4,), (1, 8, 8), None, torch.zeros_like)
            counts = {u: sum(isinstance(m, k) for m in decoder.modules()) for u, k in kinds.items()}
            assert counts == {u: 3 if u == up else 0 for u in UPS}


# --------------------------------------------------------------------------------------- sizes
def sizes(net: nn.Module, x: torch.Tensor) -> list[tuple[int, int]]:
    """Heights and widths that an image goes through."""
    passed = [tuple(x.shape[-2:])] if x.ndim == 4 else []

    def see(module, args, out):
        if out.ndim == 4 and (not passed or passed[-1] != out.shape[-2:]):
            passed.append(tuple(out.shape[-2:]))

    hooks = [m.register_forward_hook(see) for m in net.net]
    net(x)
    for hook in hooks:
        hook.remove()
    return passed


@pytest.mark.parametrize("image", IMAGES, ids=str)
@pytest.mark.parametrize("up", UPS)
def test_the_way_up_passes_the_sizes_of_the_way_down(up, image):
    for family in families(up):
        down = sizes(family.encoder(Field(image), (4,)), torch.rand(2, *image))
        decoder = family.decoder((4,), image, None, torch.zeros_like)
        assert sizes(decoder, torch.rand(2, 4)) == down[::-1]
        assert decoder(torch.rand(2, 4)).shape == (2, *image)
        assert all((b + 1) // 2 == a for s, t in pairwise(down) for b, a in zip(s, t, strict=True))


# ------------------------------------------------------------------------------------ refusals
@pytest.mark.parametrize("nets", ["conv", "residual"])
def test_a_way_up_that_does_not_exist_is_refused_with_those_that_do(nets):
    cfg = OmegaConf.create({"nets": OmegaConf.load(conf_dir() / "nets" / f"{nets}.yaml")})
    for up in UPS:
        cfg.nets.up = up
        check_options(cfg)
    cfg.nets.up = "unpol"
    refusal = "one of transposed, unpool, nearest was expected. Did you mean nets.up=unpool?"
    with pytest.raises(Refusal, match=refusal.replace("?", r"\?")):
        check_options(cfg)
