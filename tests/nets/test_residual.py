"""Residual nets: blocks that start as the identity, and their gates."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from tests.theorems import in_float64, scattered
from vaebench.data import Field
from vaebench.errors import Incompatible
from vaebench.nets import Conv, Residual
from vaebench.nets.residual import Block

__all__ = ["in_float64"]

IMAGE = (1, 9, 8)
SHARED = {"channels": [3, 4], "hidden": 6, "activation": "elu", "output_bias": "zero"}
GATED = pytest.mark.parametrize("gated", [False, True], ids=["plain", "gated"])


def nets(family) -> list[nn.Module]:
    """An encoder and a decoder, the same ones at every call."""
    torch.manual_seed(0)
    return [family.encoder(Field(IMAGE), (5,)), family.decoder((2,), IMAGE, None, torch.zeros_like)]


def blocks(net: nn.Module) -> list[Block]:
    return [m for m in net.modules() if isinstance(m, Block)]


INPUTS = [torch.rand(6, *IMAGE, dtype=torch.float64), torch.randn(6, 2, dtype=torch.float64)]


@GATED
def test_a_block_adds_its_branch_through_the_gate_if_there_is_one(gated):
    block, x = scattered(Block(3, nn.ELU, gated), 0.4), torch.randn(2, 3, 5, 4)
    first, last = (m for m in block.modules() if isinstance(m, nn.Conv2d))
    h = F.conv2d(F.elu(x), first.weight, first.bias, padding=1)
    f = F.conv2d(F.elu(h), last.weight, last.bias, padding=1)
    if gated:
        a, b = f[:, :3], f[:, 3:]
        f = a * b.sigmoid()
    assert_close(block(x), x + f)


@GATED
@pytest.mark.parametrize("init", ["glorot", "he", "torch"])
def test_an_untrained_block_is_the_identity_whatever_the_initialisation(init, gated):
    for net in nets(Residual(blocks=2, gated=gated, init=init, **SHARED)):
        assert len(blocks(net)) == 4
        for block in blocks(net):
            x = torch.randn(2, block.branch[1].in_channels, 5, 4)
            assert torch.equal(block(x), x)


@GATED
def test_an_untrained_residual_net_is_the_convolutional_net_of_its_other_layers(gated):
    residual = nets(Residual(blocks=2, gated=gated, init="he", **SHARED))
    conv = nets(Conv(init="he", **SHARED))
    for ours, other, x in zip(residual, conv, INPUTS, strict=True):
        within = {p for block in blocks(ours) for p in block.parameters()}
        outside = [p for p in ours.parameters() if p not in within]
        with torch.no_grad():
            for p, q in zip(other.parameters(), outside, strict=True):
                p.copy_(q)
        assert_close(ours(x), other(x))


def test_without_blocks_a_residual_net_is_a_convolutional_net():
    residual = nets(Residual(blocks=0, gated=True, init="he", **SHARED))
    for ours, other, x in zip(residual, nets(Conv(init="he", **SHARED)), INPUTS, strict=True):
        assert torch.equal(ours(x), other(x))


@GATED
def test_a_gradient_reaches_every_block_at_the_identity_and_every_weight_off_it(gated):
    for net, x in zip(
        nets(Residual(blocks=2, gated=gated, init="he", **SHARED)), INPUTS, strict=True
    ):
        ends = [block.branch[-1].weight for block in blocks(net)]
        for weights in (ends, list(scattered(net, 0.4).parameters())):
            out = net(x)
            gradients = torch.autograd.grad((out * torch.randn_like(out)).sum(), weights)
            assert all((g != 0).any() for g in gradients)


@pytest.mark.parametrize("count", [1, 3])
def test_blocks_stand_at_each_size_but_the_datas_both_ways(count):
    for net, x in zip(
        nets(Residual(blocks=count, gated=False, init="he", **SHARED)), INPUTS, strict=True
    ):
        seen = []

        def see(block, args, out, seen=seen):
            seen.append(tuple(out.shape[1:]))

        for block in blocks(net):
            block.register_forward_hook(see)
        net(x)
        assert sorted(seen) == sorted([(3, 5, 4), (4, 3, 2)] * count)


def test_fewer_blocks_than_none_are_refused():
    with pytest.raises(Incompatible, match=r"nets\.blocks=-1: must be at least 0"):
        Residual(blocks=-1, gated=True, init="he", **SHARED)
