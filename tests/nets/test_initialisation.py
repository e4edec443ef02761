"""How nets start: Glorot, He or torch's own weights, and a decoder that starts at the data."""

import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from tests.theorems import assert_mean, refused
from vaebench.data import Field, Spec, Support
from vaebench.errors import Incompatible
from vaebench.heads.likelihoods import Bernoulli, Categorical, Gaussian
from vaebench.heads.posteriors import Gaussian as GaussianPosterior
from vaebench.heads.priors import Normal
from vaebench.models import VAE
from vaebench.nets import MLP, Conv, Residual
from vaebench.nets.residual import Block

SHAPE = (1, 8, 8)
MEAN = torch.linspace(0.05, 0.95, 64).view(SHAPE)


def shared(**options) -> dict:
    return {"activation": "relu", "init": "glorot", "output_bias": "zero"} | options


def families(**options) -> list:
    return [
        MLP(hidden=[40, 30], **shared(**options)),
        Conv(channels=[8, 8], hidden=40, **shared(**options)),
        Residual(channels=[8, 8], blocks=1, gated=True, hidden=40, **shared(**options)),
    ]


NAMES = ["mlp", "conv", "residual"]


def layers(net: nn.Module) -> list[nn.Module]:
    kinds = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    return [m for m in net.modules() if isinstance(m, kinds)]


def drawn(net: nn.Module) -> list[nn.Module]:
    """Layers but for those that start at zero, so that a block starts as the identity."""
    ends = [m.branch[-1] for m in net.modules() if isinstance(m, Block)]
    return [layer for layer in layers(net) if layer not in ends]


def assert_uniform(weight: torch.Tensor, bound: float) -> None:
    """U(-bound, bound): inside, close to the edge, and with variance bound²/3."""
    assert weight.abs().max() <= bound
    assert_mean((weight / bound).square().flatten(), 1 / 3)


@pytest.mark.parametrize("family", families(), ids=NAMES)
def test_glorot_weights_are_uniform_within_their_bound_and_biases_zero(family):
    for net in (
        family.encoder(Field(SHAPE), (20,)),
        family.decoder((10,), SHAPE, None, torch.ones_like),
    ):
        assert len(layers(net)) >= 3
        for layer in drawn(net):
            fans = (n * layer.weight[0, 0].numel() for n in layer.weight.shape[:2])
            assert_uniform(layer.weight, math.sqrt(6 / sum(fans)))
            assert (layer.bias == 0).all()


@pytest.mark.parametrize("family", families(init="he"), ids=NAMES)
def test_he_weights_are_uniform_within_their_bound_and_biases_zero(family):
    for layer in drawn(family.encoder(Field(SHAPE), (20,))):
        assert_uniform(layer.weight, math.sqrt(6 / layer.weight[0].numel()))
        assert (layer.bias == 0).all()


@pytest.mark.parametrize("family", families(init="torch")[:2], ids=NAMES[:2])
def test_torchs_own_initialisation_is_left_alone(family):
    torch.manual_seed(1)
    net = family.encoder(Field(SHAPE), (20,))
    torch.manual_seed(1)
    untouched = family.build_encoder(Field(SHAPE), (20,))
    assert all((layer.bias != 0).any() for layer in layers(net))
    for ours, own in zip(net.parameters(), untouched.parameters(), strict=True):
        assert torch.equal(ours, own)


# ---------------------------------------------------------------------------------- output bias
LIKELIHOODS = [
    Bernoulli(Field(SHAPE, Support.BINARY, 2)),
    Categorical(Field(SHAPE, Support.LEVELS, 17)),
    Gaussian(Field(SHAPE, Support.UNIT)),
    Gaussian(Field(SHAPE, Support.UNIT), link="sigmoid"),
    Gaussian(Field(SHAPE, Support.UNIT), variance="amortised", scale=0.3),
]
HEADS = ["bernoulli", "categorical", "gaussian", "gaussian sigmoid", "gaussian amortised"]


def without_weights(net: nn.Module) -> nn.Module:
    with torch.no_grad():
        for layer in layers(net):
            layer.weight.zero_()
    return net


@pytest.mark.parametrize("head", LIKELIHOODS, ids=HEADS)
def test_a_fully_connected_decoder_without_weights_gives_the_mean_of_the_data(head):
    family = families(output_bias="data_mean")[0]
    decoder = family.decoder((4,), head.param_shape, MEAN, head.params_for_mean)
    mean = head(without_weights(decoder)(torch.randn(3, 4))).mean
    assert_close(mean, MEAN.expand(3, *SHAPE), rtol=0, atol=1e-5)


@pytest.mark.parametrize("head", LIKELIHOODS, ids=HEADS)
def test_a_convolutional_decoder_without_weights_gives_the_mean_of_each_channel(head):
    """All the places of a channel share one bias."""
    family = families(output_bias="data_mean")[1]
    decoder = family.decoder((4,), head.param_shape, MEAN, head.params_for_mean)
    mean = head(without_weights(decoder)(torch.randn(3, 4))).mean
    assert_close(mean, torch.full((3, *SHAPE), MEAN.mean()), rtol=0, atol=1e-5)


def test_each_channel_of_a_convolutional_decoder_starts_at_a_mean_of_its_own():
    shape, means = (3, 8, 8), torch.tensor([0.2, 0.5, 0.7]).view(3, 1, 1)
    head = Categorical(Field(shape, Support.LEVELS, 17))
    family = families(output_bias="data_mean")[1]
    decoder = family.decoder((4,), head.param_shape, means.expand(shape), head.params_for_mean)
    mean = head(without_weights(decoder)(torch.randn(2, 4))).mean
    assert_close(mean, means.expand(2, *shape), rtol=0, atol=1e-5)


@pytest.mark.parametrize("init", ["glorot", "he", "torch"])
def test_a_zero_output_bias_is_zero_whatever_the_initialisation(init):
    for family in families(init=init):
        decoder = family.decoder((4,), SHAPE, MEAN, torch.ones_like)
        assert (layers(decoder)[-1].bias == 0).all()


@pytest.mark.parametrize("family", families(output_bias="data_mean"), ids=NAMES)
def test_a_decoder_cannot_start_at_a_mean_that_is_not_known(family):
    with refused(match="the data have none", options=("nets.output_bias=zero",)):
        family.decoder((4,), SHAPE, None, torch.ones_like)


@pytest.mark.parametrize("family", families(output_bias="data_mean"), ids=NAMES)
def test_a_new_vae_starts_at_the_mean_of_its_data(family):
    mean = torch.full(SHAPE, 0.3)
    spec = Spec({"x": Field(SHAPE, Support.BINARY, 2, mean)}, 100)
    heads = {"posterior": GaussianPosterior, "prior": Normal, "likelihood": Bernoulli}
    model = VAE(spec, latent_dim=4, nets=family, **heads)
    without_weights(model.likelihood)
    assert_close(model.likelihood(torch.randn(5, 4)).mean, mean.expand(5, *SHAPE))


# --------------------------------------------------------------------------------- architecture
def test_the_decoder_mirrors_the_encoder():
    family = MLP(hidden=[40, 30], **shared())
    up = [tuple(m.weight.shape) for m in layers(family.encoder(Field((8,)), (6,)))]
    down = [
        tuple(m.weight.shape) for m in layers(family.decoder((6,), (8,), None, torch.ones_like))
    ]
    assert up == [(40, 8), (30, 40), (6, 30)]
    assert down == [(30, 6), (40, 30), (8, 40)]


def test_without_hidden_layers_a_net_is_linear():
    encoder = MLP(hidden=[], **shared()).encoder(Field((8,)), (6,))
    x, y = torch.randn(2, 8)
    assert_close(encoder(2 * x - y), 2 * encoder(x) - encoder(y), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "name", ["tanh", "relu", "leaky_relu", "elu", "gelu", "silu", "softplus", "sigmoid"]
)
def test_the_activation_asked_for_lies_between_layers_and_not_after_the_last(name):
    for family in families(activation=name):
        for net in (
            family.encoder(Field(SHAPE), (6,)),
            family.decoder((4,), SHAPE, None, torch.ones_like),
        ):
            acts = [m for m in net.modules() if type(m) is type(family.activation())]
            assert len(acts) == len(layers(net)) - 1
            order = [m for m in net.modules() if m in acts or m in layers(net)]
            assert order[-1] is layers(net)[-1]


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (partial(MLP, hidden=[5, 0]), r"nets\.hidden"),
        (partial(MLP, hidden=[-1]), r"nets\.hidden"),
        (partial(Conv, channels=[], hidden=5), r"nets\.channels"),
        (partial(Conv, channels=[4, 0], hidden=5), r"nets\.channels"),
        (partial(Conv, channels=[4], hidden=0), r"nets\.hidden"),
        (partial(Residual, channels=[], hidden=5, blocks=1, gated=True), r"nets\.channels"),
    ],
)
def test_widths_that_cannot_be_are_refused_by_name(build, named):
    with pytest.raises(Incompatible, match=named):
        build(**shared())


def test_convolutions_refuse_what_is_no_image():
    for family in families()[1:]:
        with refused("nets", match="need images"):
            family.encoder(Field((8,)), (6,))
        for out_shape in ((8,), (2, 8)):
            with refused("nets", match="need images"):
                family.decoder((4,), out_shape, None, torch.ones_like)


@pytest.mark.parametrize("latent_dim", [0, -2])
def test_a_latent_without_width_is_refused(latent_dim):
    spec = Spec({"x": Field((8,))}, 100)
    heads = {"posterior": GaussianPosterior, "prior": Normal, "likelihood": Gaussian}
    with pytest.raises(Incompatible, match=rf"model\.latent_dim={latent_dim}"):
        VAE(spec, latent_dim=latent_dim, nets=families()[0], **heads)
