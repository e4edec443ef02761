"""Sentences: scoring, word dropout, and the ways to decode, against what can be enumerated."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import assert_mean, largest_z
from vaebench.data.spec import EOS, PAD, UNK
from vaebench.distributions import Noise, TokenSequence
from vaebench.distributions.decoding import ancestral, beam, greedy, nucleus
from vaebench.errors import Incompatible
from vaebench.nets.language import RNNS, LanguageModel

each_input = pytest.mark.parametrize("inputless", [False, True], ids=["seeing", "inputless"])
VOCABULARY = 5  # padding, end, unknown and two words: three words that can be said
WORDS = range(UNK, VOCABULARY)
LENGTH = 4
CONDITIONS = ("initial", "every_step", "both")
each_kind = pytest.mark.parametrize(("cell", "condition"), [*itertools.product(RNNS, CONDITIONS)])


def language(cell="lstm", condition="both", seed: int = 0, inputless=False) -> LanguageModel:
    """A small one with strong opinions."""
    torch.manual_seed(seed)
    model = LanguageModel(VOCABULARY, cell, 3, 4, condition, inputless=inputless)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    return model


def density(model: LanguageModel, *lead: int, keep: float = 1.0, seed: int = 1) -> TokenSequence:
    generator = torch.Generator().manual_seed(seed)
    context = torch.randn(*lead, model.width, generator=generator)
    return TokenSequence(model, context, LENGTH, keep)


def padded(*rows: list[int], width: int = LENGTH) -> torch.Tensor:
    return torch.tensor([row + [PAD] * (width - len(row)) for row in rows])


def every_sentence(length: int = LENGTH) -> torch.Tensor:
    """All of at most so many tokens, the end among them."""
    found = [[*words, EOS] for n in range(length) for words in itertools.product(WORDS, repeat=n)]
    return padded(*found, width=length)


X = padded([2, 3, 4, EOS], [4, EOS], [EOS], [3, 3, EOS])


# -------------------------------------------------------------------------------------- scoring
@each_kind
def test_ended_sentences_and_unended_beginnings_have_probability_1_together(cell, condition):
    model = language(cell, condition)
    p = density(model, 1)
    ended = p.log_prob(every_sentence()).exp().sum()
    starts = torch.tensor([*itertools.product(WORDS, repeat=LENGTH)])
    known = model.states(starts[:, :-1], p.context.expand(len(starts), -1))
    log_p = model.emit(known).log_softmax(-1).gather(2, (starts - 1).unsqueeze(-1)).sum((1, 2))
    assert_close(ended + log_p.exp().sum(), torch.tensor(1.0))


@each_input
@each_kind
def test_a_score_is_the_sum_over_single_steps(cell, condition, inputless):
    model = language(cell, condition, inputless=inputless)
    p = density(model, len(X))
    state, token, total = model.begin(p.context), None, torch.zeros(len(X))
    for t in range(LENGTH):
        known, state = model.advance(token, state)
        log_p = model.emit(known).log_softmax(-1)
        token = X[:, t]
        scored = log_p.gather(1, (token - 1).clamp(min=0).unsqueeze(1)).squeeze(1)
        total = total + torch.where(token == PAD, 0.0, scored)
    assert_close(p.log_prob(X), total)


def test_padding_changes_nothing():
    p = density(language(), 4)
    wide = torch.nn.functional.pad(X, (0, 5))
    for context in (torch.enable_grad(), torch.no_grad()):
        with context:
            assert_close(p.log_prob(X), p.log_prob(wide))


def test_sentences_do_not_see_each_other():
    p, model = density(language(), 4), language()
    for i in range(4):
        alone = TokenSequence(model, p.context[i : i + 1], LENGTH)
        assert_close(p.log_prob(X)[i : i + 1], alone.log_prob(X[i : i + 1]))


def test_what_no_gradient_needs_is_scored_in_pieces_to_the_same_end():
    p = density(language(), 3, 4)
    with torch.no_grad():
        pieces = p.log_prob(X)
    assert pieces.shape == (3, 4)
    assert_close(pieces, p.log_prob(X))


def test_an_evaluated_model_has_the_gradients_of_a_trained_one():
    model = language()
    context = density(model, 4).context.requires_grad_()
    found = []
    for mode in (model.train(), model.eval()):
        log_p = TokenSequence(mode, context, LENGTH).log_prob(X).sum()
        found.append(torch.autograd.grad(log_p, [context, *model.parameters()]))
    for one, other in zip(*found, strict=True):
        assert_close(one, other)


def test_the_context_matters():
    p, other = density(language(), 4), density(language(), 4, seed=2)
    assert (p.log_prob(X) - other.log_prob(X)).abs().min() > 1e-3


# --------------------------------------------------------------------------------- word dropout
def test_with_keep_1_nothing_is_dropped():
    p = density(language(), 4)
    assert torch.equal(p._seen(X, Noise()), X)
    before = torch.get_rng_state()
    p.log_prob(X)
    assert torch.equal(before, torch.get_rng_state())


def test_without_input_no_token_depends_on_another():
    p = density(language(inputless=True), 1)
    aa, ab, ba, bb = p.log_prob(padded([3, 3, EOS], [3, 4, EOS], [4, 3, EOS], [4, 4, EOS]))
    assert_close(aa + bb, ab + ba)
    seen = density(language(), 1)
    aa, ab, ba, bb = seen.log_prob(padded([3, 3, EOS], [3, 4, EOS], [4, 3, EOS], [4, 4, EOS]))
    assert (aa + bb - ab - ba).abs() > 1e-3


def test_a_dropped_word_is_read_as_unknown_with_the_chance_asked_for():
    keep, x = 0.7, torch.full((20_000, 4), 3)
    seen = density(language(), 1, keep=keep)._seen(x, Noise())
    assert set(seen.unique().tolist()) == {UNK, 3}
    assert_mean((seen == 3).double(), keep)


def test_all_samples_of_an_example_are_weighed_under_the_same_dropout():
    model = language()
    context = torch.randn(1, 4, model.width).expand(6, 4, -1)
    log_p = TokenSequence(model, context, LENGTH, 0.5).log_prob(X)
    assert_close(log_p, log_p[:1].expand(6, 4))


# -------------------------------------------------------------------------------------- decoding
@each_input
@each_kind
def test_draws_have_the_frequencies_of_the_density(cell, condition, inputless):
    model = language(cell, condition, inputless=inputless)
    context = density(model, 1).context
    draws = ancestral(model, context.expand(20_000, -1), LENGTH, Noise())
    ended_before = every_sentence(LENGTH - 1)
    p = TokenSequence(model, context, LENGTH).log_prob(ended_before).exp().double()
    wide = torch.nn.functional.pad(ended_before, (0, 1))
    hits = (draws.unsqueeze(1) == wide).all(-1).double()
    error = (p * (1 - p) / len(draws)).sqrt()  # the null's own: rare sentences may never be drawn
    z = (hits.mean(0) - p) / (error + 1e-4)
    assert z.abs().max() < largest_z(len(p))


def test_every_decoded_row_is_words_then_one_end_then_padding():
    model = language()
    context = torch.randn(50, model.width)
    found = [
        greedy(model, context, LENGTH),
        beam(model, context, LENGTH, 3),
        ancestral(model, context, LENGTH, Noise(), temperature=3.0),
    ]
    for rows in found:
        assert rows.shape == (50, LENGTH)
        assert ((rows == EOS).sum(1) == 1).all()
        after = (rows == EOS).cumsum(1) - (rows == EOS).long()
        assert torch.equal(rows == PAD, after > 0)


def test_a_beam_of_one_is_greedy():
    for seed in range(5):
        model = language(seed=seed)
        context = torch.randn(20, model.width)
        assert torch.equal(beam(model, context, LENGTH, 1), greedy(model, context, LENGTH))


@each_input
@each_kind
def test_a_beam_as_wide_as_there_are_sentences_finds_the_best_of_all(cell, condition, inputless):
    model, sentences = language(cell, condition, inputless=inputless), every_sentence()
    context = torch.randn(10, model.width)
    found = beam(model, context, LENGTH, len(sentences))
    for row, c in zip(found, context, strict=True):
        log_p = TokenSequence(model, c[None], LENGTH).log_prob(sentences)
        assert_close(TokenSequence(model, c[None], LENGTH).log_prob(row[None])[0], log_p.max())


def test_greedy_is_not_always_the_best():
    """Else the beam's tests would say nothing."""
    model = language(seed=3)
    context = torch.randn(200, model.width)
    p = TokenSequence(model, context, LENGTH)
    gain = p.log_prob(beam(model, context, LENGTH, 40)) - p.log_prob(greedy(model, context, LENGTH))
    assert gain.min() > -1e-4
    assert gain.max() > 0.1


def test_cold_draws_and_a_narrow_nucleus_are_greedy():
    model = language()
    context = torch.randn(20, model.width)
    best = greedy(model, context, LENGTH)
    assert torch.equal(ancestral(model, context, LENGTH, Noise(), temperature=1e-4), best)
    assert torch.equal(ancestral(model, context, LENGTH, Noise(), top_p=1e-6), best)


def test_a_nucleus_is_the_smallest_set_of_likely_tokens_that_makes_up_so_much():
    logits = torch.tensor([0.1, 0.4, 0.3, 0.2]).log()
    for top_p, kept in {0.3: [1], 0.45: [1, 2], 0.75: [1, 2, 3], 0.95: [0, 1, 2, 3]}.items():
        assert nucleus(logits, top_p).isfinite().nonzero().flatten().tolist() == kept


@pytest.mark.parametrize(
    ("options", "line"),
    [({"temperature": 0.0}, "temperature=0"), ({"top_p": 0.0}, "top_p=0"), ({"top_p": 1.5}, "1.5")],
)
def test_senseless_decoding_is_refused(options, line):
    model = language()
    with pytest.raises(Incompatible, match=line):
        ancestral(model, torch.randn(1, model.width), LENGTH, Noise(), **options)
    with pytest.raises(Incompatible, match="beam=0"):
        beam(model, torch.randn(1, model.width), LENGTH, 0)


def test_a_sentence_has_no_mean():
    with pytest.raises(Incompatible, match="decode"):
        _ = density(language(), 1).mean
