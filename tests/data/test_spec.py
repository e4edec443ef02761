"""Made-up examples have the shape and support that their field declares."""

import pytest
import torch

from vaebench.data import EOS, PAD, UNK, Field, Spec, Support

FIELDS = {
    "real": Field((2, 3)),
    "unit": Field((2, 3), Support.UNIT),
    "levels": Field((2, 3), Support.LEVELS, 5),
    "bits": Field((2, 3), Support.BINARY, 2),
    "label": Field((), Support.LABEL, 7),
    "one-hot": Field((6,), Support.ONE_HOT, 3),
}


@pytest.mark.parametrize("batch_size", [1, 2, 500])
def test_an_example_has_the_batch_size_and_shape_asked_for(batch_size):
    batch = Spec(FIELDS, 10).example(batch_size)
    assert {name: tuple(v.shape) for name, v in batch.items()} == {
        name: (batch_size, *field.shape) for name, field in FIELDS.items()
    }


def test_an_example_takes_exactly_the_values_of_its_support():
    batch = Spec(FIELDS, 10).example(500)
    assert batch["real"].min() < -1
    assert 0 <= batch["unit"].min() < batch["unit"].max() <= 1
    assert (4 * batch["levels"]).unique().tolist() == [0, 1, 2, 3, 4]
    assert batch["bits"].unique().tolist() == [0, 1]
    assert batch["label"].unique().tolist() == list(range(7))
    assert batch["label"].dtype is torch.int64
    assert batch["one-hot"].unique(dim=0).shape == (9, 6)
    assert (batch["one-hot"].view(500, 2, 3).sum(-1) == 1).all()


def test_an_example_is_a_function_of_its_seed_alone():
    spec = Spec(FIELDS, 10)
    before = torch.get_rng_state()
    first, second, other = spec.example(), spec.example(), spec.example(seed=1)
    assert all(torch.equal(first[name], second[name]) for name in FIELDS)
    assert not torch.equal(first["real"], other["real"])
    assert torch.equal(torch.get_rng_state(), before)


# ---------------------------------------------------------------------------------------- sentences
def tokens(longest: int = 9, levels: int = 7) -> Field:
    return Field((longest,), Support.TOKENS, levels)


def made_up(field: Field, batch_size: int = 500, seed: int = 0) -> torch.Tensor:
    return field.example(batch_size, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("longest", [3, 4, 6, 30])
def test_made_up_sentences_are_tokens_then_one_end_then_padding(longest):
    x = made_up(tokens(longest))
    ends = (x == EOS).int().argmax(1, keepdim=True)
    column = torch.arange(x.shape[1])
    assert x.dtype is torch.int64
    assert torch.equal(x == EOS, column == ends)
    assert torch.equal(x == PAD, column > ends)
    assert x[column < ends].unique().tolist() == list(range(UNK, 7))


@pytest.mark.parametrize("longest", [2, 3, 4, 6, 30])
@pytest.mark.parametrize("seed", range(5))
def test_the_first_made_up_sentence_alone_is_the_longest(longest, seed):
    lengths = (made_up(tokens(longest), seed=seed) != PAD).sum(1)
    assert lengths[0] == min(longest, 6)
    assert (lengths[1:] < lengths[0]).all()


def test_made_up_sentences_have_words_wherever_there_is_room_for_them():
    assert (made_up(tokens(3))[:, 0] != EOS).all()


def test_a_batch_of_sentences_may_be_narrower_than_the_spec_but_not_wider():
    fits = [tokens(9).fits(torch.zeros(2, width)) for width in (0, 1, 9, 10)]
    assert fits == [False, True, True, False]
    assert not tokens(9).fits(torch.zeros(2, 9, 1))


def test_other_values_have_the_shape_of_the_spec():
    shapes = [(2, 2, 3), (2, 2, 2), (2, 3), (2, 2, 3, 1)]
    assert [FIELDS["real"].fits(torch.zeros(shape)) for shape in shapes] == [True, *[False] * 3]


def test_fields_of_unlike_vocabularies_of_one_size_are_alike():
    """Two compositions of the same shapes are the same to every net."""
    field = tokens()
    assert field == Field((9,), Support.TOKENS, 7, symbols=("a", "b"), joiner="")
    assert "symbols" not in repr(field)
