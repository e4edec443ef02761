"""What a net of several contexts reads: the join of their values, and nets chosen by field."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from tests.theorems import refused
from vaebench.data import EOS, UNK, Field, Support
from vaebench.heads import Conditional
from vaebench.heads.posteriors import Gaussian
from vaebench.nets import MLP, ByField, Conv, Recurrent
from vaebench.nets.join import Planes, Vectors

SHARED = {"activation": "tanh", "init": "glorot", "output_bias": "zero"}
IMAGE, MASK = Field((2, 4, 3)), Field((1, 4, 3), Support.BINARY, 2)
LABEL, PAIR = Field((), Support.LABEL, 5), Field((2,), Support.LABEL, 3)
POSE, TEXT = Field((4,)), Field((7,), Support.TOKENS, 9)
B, K = 3, 2
MLPS, CONVS = MLP(hidden=[6], **SHARED), Conv(channels=[3, 4], hidden=6, **SHARED)
RECURRENT = Recurrent(cell="gru", embedding=4, hidden=5, init="glorot")
BY_FIELD = ByField(images=CONVS, vectors=MLPS, tokens=RECURRENT, features=3, activation="tanh")


def example(*fields: Field, lead: tuple[int, ...] = (B,)) -> list[torch.Tensor]:
    """Values `[*lead, *shape]` of each."""
    generator, n = torch.Generator().manual_seed(0), torch.Size(lead).numel()
    values = [field.example(n, generator) for field in fields]
    return [value.view(*lead, *value.shape[1:]) for value in values]


def named(*fields: Field) -> dict[str, Field]:
    return {f"f{i}": field for i, field in enumerate(fields)}


# ------------------------------------------------------------------------------------- the join
def test_vectors_are_the_values_flattened_side_by_side_and_labels_one_hot():
    fields = (POSE, LABEL, IMAGE, PAIR)
    pose, label, image, pair = example(*fields)
    by_hand = [pose, F.one_hot(label, 5), image.flatten(1), F.one_hot(pair, 3).flatten(1)]
    join = Vectors(named(*fields))
    assert torch.equal(join(pose, label, image, pair), torch.cat(by_hand, 1))
    assert join.field.shape == (4 + 5 + 24 + 6,)


def test_planes_are_images_one_above_the_other_and_every_other_number_one_plane():
    fields = (MASK, LABEL, IMAGE, POSE)
    mask, label, image, pose = example(*fields)
    join = Planes(named(*fields))
    found = join(mask, label, image, pose)
    assert found.shape == (B, *join.field.shape) == (B, 1 + 5 + 2 + 4, 4, 3)
    assert torch.equal(found[:, :1], mask)
    assert torch.equal(found[:, 6:8], image)
    numbers = torch.cat([F.one_hot(label, 5).float(), pose], 1)
    others = torch.cat([found[:, 1:6], found[:, 8:]], 1)
    assert torch.equal(others, numbers[:, :, None, None].expand(B, 9, 4, 3))


@pytest.mark.parametrize("kind", [Vectors, Planes])
def test_leading_dimensions_broadcast(kind):
    """A sample of k has the values of the joined sample alone."""
    (z,), (label, image) = example(POSE, lead=(K, B)), example(LABEL, IMAGE)
    join = kind(named(POSE, LABEL, IMAGE))
    found = join(z, label, image)
    assert found.shape == (K, B, *join.field.shape)
    for k in range(K):
        assert torch.equal(found[k], join(z[k], label, image))


def test_what_cannot_be_joined_is_refused():
    with refused("nets", match="none among the data f0, f1"):
        Planes(named(POSE, LABEL))
    with refused("nets", match="4 × 3 of f0, 8 × 8 of f1"):
        Planes(named(IMAGE, Field((1, 8, 8))))
    for family in (MLPS, CONVS):
        with refused("nets", match="reads numbers; the data f1 are tokens"):
            family.encoder(named(IMAGE, TEXT), (6,))
    with refused("nets", match="reads tokens alone; the data for it are f0, f1"):
        RECURRENT.encoder(named(TEXT, LABEL), (6,))


# ------------------------------------------------------------------------------------- encoders
@pytest.mark.parametrize("family", [MLPS, CONVS, BY_FIELD], ids=["mlp", "conv", "by field"])
def test_an_encoder_of_one_named_field_is_that_of_the_field(family):
    """The same parameters by name and the same numbers."""
    torch.manual_seed(0)
    plain = family.encoder(IMAGE, (6,))
    torch.manual_seed(0)
    by_name = family.encoder({"x": IMAGE}, (6,))
    assert list(plain.state_dict()) == list(by_name.state_dict())
    (x,) = example(IMAGE)
    assert torch.equal(plain(x), by_name(x))


@pytest.mark.parametrize(
    ("family", "kind"), [(MLPS, Vectors), (CONVS, Planes)], ids=["mlp", "conv"]
)
def test_an_encoder_of_several_fields_is_one_net_of_their_join(family, kind):
    fields, values = named(IMAGE, LABEL, POSE), example(IMAGE, LABEL, POSE)
    torch.manual_seed(0)
    encoder = family.encoder(fields, (6,))
    torch.manual_seed(0)
    join = kind(fields)
    net = family.encoder(join.field, (6,))
    assert_close(encoder(*values), net(join(*values)))


def test_a_label_alone_is_read_one_hot():
    torch.manual_seed(0)
    encoder = MLPS.encoder({"y": LABEL}, (6,))
    torch.manual_seed(0)
    net = MLPS.encoder(Field((5,)), (6,))
    assert_close(encoder(torch.arange(5)), net(torch.eye(5)))


def another(value: torch.Tensor, field: Field) -> torch.Tensor:
    """Other values of a field, everywhere but in the padding of tokens."""
    match field.support:
        case Support.REAL:
            return value + 1
        case Support.TOKENS:
            return torch.where(value > EOS, (value - 1) % (field.levels - UNK) + UNK, value)
    return (value + 1) % field.levels


@pytest.mark.parametrize(
    ("family", "fields"),
    [
        (MLPS, (IMAGE, LABEL, PAIR, POSE)),
        (CONVS, (IMAGE, LABEL, MASK, POSE)),
        (BY_FIELD, (IMAGE, LABEL, TEXT, POSE)),
    ],
    ids=["mlp", "conv", "by field"],
)
def test_an_encoder_of_several_fields_depends_on_each_example_by_example(family, fields):
    net, values = family.encoder(named(*fields), (6,)), example(*fields)
    plain = net(*values)
    for i, field in enumerate(fields):
        changed = [value.clone() for value in values]
        changed[i][0] = another(values[i][0], field)
        found = net(*changed)
        assert (found[0] != plain[0]).any()
        assert torch.equal(found[1:], plain[1:])


def test_a_conditional_of_several_contexts_is_the_head_of_what_the_net_says():
    head, net = Gaussian(Field((2,))), MLPS.encoder(named(IMAGE, LABEL), (4,))
    conditional, values = Conditional(net, head), example(IMAGE, LABEL)
    assert torch.equal(conditional(*values).loc, head(net(*values)).loc)
    assert list(Conditional(nn.Linear(3, 4), head).state_dict()) == ["net.weight", "net.bias"]


# ------------------------------------------------------------------------------------- by field
def kinds(net: nn.Module) -> set[type[nn.Module]]:
    return {type(module) for module in net.modules()}


@pytest.mark.parametrize(
    ("field", "has", "lacks"),
    [(IMAGE, nn.Conv2d, nn.GRU), (LABEL, nn.Linear, nn.Conv2d), (TEXT, nn.GRU, nn.Conv2d)],
    ids=["image", "label", "tokens"],
)
def test_each_field_is_read_by_a_net_that_suits_it(field, has, lacks):
    """By itself, and beside a vector."""
    for fields in (named(field), named(field, POSE)):
        found = kinds(BY_FIELD.encoder(fields, (6,)))
        assert has in found
        assert lacks not in found


def test_a_decoder_suits_what_it_makes():
    assert nn.ConvTranspose2d in kinds(BY_FIELD.decoder((4,), (1, 8, 8), None, torch.zeros_like))
    assert nn.ConvTranspose2d not in kinds(BY_FIELD.decoder((4,), (6,), None, torch.zeros_like))


@pytest.mark.parametrize("mean", [None, torch.tensor([0.5, -2.0])], ids=["none", "some"])
def test_what_has_a_mean_starts_there_and_what_has_none_at_0(mean):
    vectors = MLP(hidden=[6], **SHARED | {"output_bias": "data_mean"})
    family = ByField(images=CONVS, vectors=vectors, tokens=RECURRENT, features=3, activation="tanh")
    last = [*family.decoder((4,), (2,), mean, lambda m: m).modules()][-2]
    assert torch.equal(last.bias, torch.zeros(2) if mean is None else mean)
