"""Nets that read and write sentences."""

import pytest
import torch
from torch.testing import assert_close

from vaebench.data import Field, Support
from vaebench.data.spec import EOS, PAD
from vaebench.errors import Incompatible
from vaebench.nets import MLP, Conv, Recurrent
from vaebench.nets.language import RNNS, LanguageModel, SentenceReader

TEXT = Field((6,), Support.TOKENS, 9)
X = torch.tensor([[3, 4, 5, EOS], [6, EOS, PAD, PAD], [EOS, PAD, PAD, PAD]])
each_cell = pytest.mark.parametrize("cell", RNNS)


@each_cell
def test_a_reader_ends_where_the_sentence_does(cell):
    reader = SentenceReader(9, cell, 3, 4)
    for row in X:
        alone = row[row != PAD][None]
        _, state = reader.rnn(reader.embed(alone))
        last = state[0] if cell == "lstm" else state
        assert_close(reader(row[None])[0], last[0, 0])


@each_cell
def test_padding_changes_nothing_that_is_read(cell):
    reader = SentenceReader(9, cell, 3, 4)
    assert_close(reader(X), reader(torch.nn.functional.pad(X, (0, 3))))


def test_leading_dimensions_are_read_as_if_one_by_one():
    reader = SentenceReader(9, "gru", 3, 4)
    assert_close(reader(X.expand(2, 3, 4)), reader(X).expand(2, 3, 4))


@pytest.mark.parametrize(
    ("cell", "condition", "width"),
    [("gru", "initial", 4), ("lstm", "initial", 8), ("lstm", "every_step", 4), ("gru", "both", 8)],
)
def test_a_context_holds_what_the_state_and_the_steps_are_given(cell, condition, width):
    assert LanguageModel(9, cell, 3, 4, condition).width == width


def test_the_state_of_some_sentences_goes_on_as_theirs_would():
    for cell in RNNS:
        model = LanguageModel(9, cell, 3, 4, "both")
        context, token = torch.randn(3, model.width), torch.tensor([2, 3, 4])
        _, state = model.advance(None, model.begin(context))
        rows = torch.tensor([2, 0])
        all_known, _ = model.advance(token, state)
        known, _ = model.advance(token[rows], model.select(state, rows))
        assert_close(known, all_known[rows])


def test_a_family_reads_what_it_is_made_for():
    recurrent = Recurrent(cell="lstm", embedding=3, hidden=4, init="glorot")
    assert recurrent.encoder(TEXT, (5,))(X).shape == (3, 5)
    shared = {"activation": "tanh", "init": "glorot", "output_bias": "zero"}
    for numbers in (MLP(hidden=[4], **shared), Conv(channels=[2], hidden=4, **shared)):
        with pytest.raises(Incompatible, match=r"reads numbers; the data are tokens"):
            numbers.encoder(TEXT, (5,))
    with pytest.raises(Incompatible, match=r"reads tokens; the data are numbers"):
        recurrent.encoder(Field((1, 8, 8)), (5,))
