"""Nets: `[*, *in_shape]` → `[*, *out_shape]` for images of any size."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from tests.theorems import scattered
from vaebench.data import Field
from vaebench.nets import MLP, Conv, Family, Residual

SHARED = {"activation": "tanh", "init": "glorot", "output_bias": "zero"}
FAMILIES = {
    "mlp": MLP(hidden=[5, 4], **SHARED),
    "linear": MLP(hidden=[], **SHARED),
    "conv": Conv(channels=[3, 4], hidden=6, **SHARED),
    "deep conv": Conv(channels=[2, 3, 3], hidden=6, **SHARED),
    "unpool conv": Conv(channels=[3, 4], hidden=6, up="unpool", **SHARED),
    "nearest conv": Conv(channels=[3, 4], hidden=6, up="nearest", **SHARED),
    "residual": Residual(channels=[3, 4], blocks=1, gated=False, hidden=6, **SHARED),
    "gated residual": Residual(channels=[3, 4], blocks=2, gated=True, hidden=6, **SHARED),
}
IMAGES = [(1, 8, 8), (1, 28, 28), (1, 28, 20), (3, 32, 32), (1, 64, 64), (2, 7, 5)]
LEADS = [(2,), (3, 2)]
PARAMS = [(), (2,), (17,)]
"""A likelihood needs one, two (mean and variance) or L numbers for each pixel."""


def new_decoder(family: Family, in_shape, out_shape) -> nn.Module:
    """A decoder of data whose mean is not known."""
    return family.decoder(in_shape, out_shape, None, torch.zeros_like)


@pytest.fixture(params=FAMILIES)
def family(request):
    return FAMILIES[request.param]


@pytest.mark.parametrize("image", IMAGES, ids=str)
def test_an_encoder_takes_images_with_leading_dimensions(family, image):
    encoder = family.encoder(Field(image), (6,))
    for lead in LEADS:
        assert encoder(torch.rand(*lead, *image)).shape == (*lead, 6)


@pytest.mark.parametrize("image", IMAGES, ids=str)
def test_a_decoder_gives_parameters_of_images_with_leading_dimensions(family, image):
    for params in PARAMS:
        decoder = new_decoder(family, (4,), (*params, *image))
        for lead in LEADS:
            assert decoder(torch.rand(*lead, 4)).shape == (*lead, *params, *image)


def test_one_example_needs_no_leading_dimension(family):
    assert family.encoder(Field((1, 8, 8)), (6,))(torch.rand(1, 8, 8)).shape == (6,)
    assert new_decoder(family, (4,), (2, 1, 8, 8))(torch.rand(4)).shape == (2, 1, 8, 8)


@pytest.mark.parametrize("kind", ["mlp", "linear"])
def test_fully_connected_nets_take_vectors_too(kind):
    for lead in LEADS:
        assert FAMILIES[kind].encoder(Field((8,)), (6,))(torch.rand(*lead, 8)).shape == (*lead, 6)
        decoder = new_decoder(FAMILIES[kind], (4,), (2, 8))
        assert decoder(torch.rand(*lead, 4)).shape == (*lead, 2, 8)


def test_samples_and_examples_are_encoded_and_decoded_as_if_one_by_one(family):
    encoder, decoder = (
        family.encoder(Field((1, 8, 8)), (6,)),
        new_decoder(family, (4,), (2, 1, 8, 8)),
    )
    for net, x in ((encoder, torch.rand(3, 2, 1, 8, 8)), (decoder, torch.rand(3, 2, 4))):
        one_by_one = torch.stack([torch.stack([net(b[None])[0] for b in k]) for k in x])
        assert_close(net(x), one_by_one)


def test_every_number_that_goes_in_matters_and_every_number_that_comes_out_varies(family):
    encoder, decoder = (
        family.encoder(Field((1, 8, 8)), (6,)),
        new_decoder(family, (4,), (2, 1, 8, 8)),
    )
    for net, x in ((encoder, torch.rand(5, 1, 8, 8)), (decoder, torch.randn(5, 4))):
        out = scattered(net, 0.4)(x.requires_grad_())
        assert (out.std(0) > 0).all()
        weight = torch.randn_like(out)
        (gradient,) = torch.autograd.grad((out * weight).sum(), x, retain_graph=True)
        assert (gradient != 0).all()
        gradients = torch.autograd.grad((out * weight).sum(), list(net.parameters()))
        assert all((g != 0).any() for g in gradients)
