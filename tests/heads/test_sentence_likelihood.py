"""Word dropout is of training alone: a model is evaluated with every word that it was given."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from vaebench.data import Field, Support
from vaebench.distributions import StandardNormal
from vaebench.heads import Conditional
from vaebench.heads.sentence import Sentence
from vaebench.inference import infer
from vaebench.models import RecognitionFirst

WORDS, LENGTH, Z = 30, 8, 2
FIELD = Field((LENGTH,), Support.TOKENS, WORDS)
X = torch.randint(3, WORDS, (20, LENGTH), generator=torch.Generator().manual_seed(0))
PLAIN = {"cell": "lstm", "embedding": 4, "hidden": 8, "condition": "both"}


class Sentences(RecognitionFirst):
    """z ~ N(0, I), and a sentence at z; the weights are the same whatever `keep` is."""

    def __init__(self, keep):
        super().__init__()
        torch.manual_seed(0)
        head = Sentence(FIELD, keep=keep, **PLAIN)
        self.likelihood = Conditional(nn.Linear(Z, *head.param_shape), head)

    def recognise(self, q, batch):
        q("z", StandardNormal(torch.zeros(Z)))

    def generate(self, p, batch):
        p("x", self.likelihood(p("z", StandardNormal(torch.zeros(Z)))))


def scores(keep, training):
    """log p(x | z) at the same two draws of z."""
    model = Sentences(keep).train(training)
    torch.manual_seed(1)
    return infer(model, {"x": X}, 2).recon.detach()


@pytest.mark.parametrize("keep", [0.1, 0.5])
def test_words_are_dropped_in_training_and_never_in_evaluation(keep):
    assert_close(scores(keep, training=False), scores(1.0, training=False))
    dropped, whole = scores(keep, training=True), scores(1.0, training=True)
    assert torch.isclose(dropped, whole).double().mean() < 0.1


def test_a_decoder_that_sees_no_words_sees_none_in_evaluation_either():
    assert_close(scores(0.0, training=True), scores(0.0, training=False))
    assert not torch.isclose(scores(0.0, training=False), scores(1.0, training=False)).any()


@pytest.mark.parametrize(("keep", "misses"), [(0.0, False), (0.9, True), (1.0, False)])
def test_a_decoder_that_misses_some_of_the_words_says_so(keep, misses):
    """One that never sees any misses none in training alone."""
    caveat = Sentence(FIELD, keep=keep, **PLAIN).caveat
    assert (caveat is not None and f"keep={keep}" in caveat) == misses
