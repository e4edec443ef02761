"""Samples of a class, as a judge that knows the data sees them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from tests.theorems import class_and_style, elbo, labelled_spec
from vaebench.check import Report
from vaebench.composition import Composition
from vaebench.data import Column, Dataset, InMemorySplit
from vaebench.distributions import BernoulliLogits, StandardNormal
from vaebench.inference import outline
from vaebench.measures.base import Inapplicable, Subject
from vaebench.measures.class_samples import ClassSamples, classes_of, of_class
from vaebench.models import RecognitionFirst
from vaebench.objectives import SemiSupervised

Y = torch.arange(3).repeat(40)
X = F.one_hot(Y, 3).to(torch.get_default_dtype())
SPEC = labelled_spec()


class Marks(Dataset):
    """Of class c, pixel c is on and no other."""

    spec = SPEC

    @property
    def protocol(self):
        return {}

    def split(self, part):
        return InMemorySplit({"x": Column(X.to(torch.get_default_dtype())), "y": Column(Y)})


class Painter(RecognitionFirst):
    """Of class c, pixel (c + shift) mod 3 is on with a logit, and the others off with the same."""

    def __init__(self, shift: int = 0, logit: float = 30.0) -> None:
        super().__init__()
        self.shift, self.logit = shift, logit

    def recognise(self, q, batch):
        q("z", StandardNormal(torch.zeros(1)))

    def generate(self, p, batch):
        p("z", StandardNormal(torch.zeros(1)))
        on = F.one_hot((batch["y"] + self.shift) % 3, 3)
        p("x", BernoulliLogits(self.logit * (2.0 * on - 1)))


def subject(model, objective=None, **roles) -> Subject:
    roles = {"x": "observed", "y": "condition"} | roles
    objective = objective or elbo(model, SPEC)
    latents = outline(model, SPEC).latents
    report = Report("log p(x)", roles, tuple(latents))
    return Subject(Composition(Marks(), model, objective, report), torch.device("cpu"))


@pytest.mark.parametrize("shift", range(3))
def test_samples_are_judged_right_where_they_are_of_their_class_and_only_there(shift):
    found = ClassSamples(train=60, samples=7)(subject(Painter(shift)))
    right = float(shift == 0)
    assert found["judge"] == 1
    assert found["judged"] == found["judged_draws"] == right
    assert found["judged_se"] == 0
    assert found["train"] == 60
    assert found["examples"] == len(Y)


def test_a_model_that_knows_no_class_is_right_about_one_of_them():
    found = ClassSamples(samples=200)(subject(Painter(logit=0.0)))
    assert found["judged"] == pytest.approx(1 / 3)  # all means are the same
    assert found["judged_draws"] == pytest.approx(1 / 3, abs=3 * found["judged_draws_se"])


def test_a_latent_class_counts_where_the_objective_made_it_the_label():
    model = class_and_style()
    held = subject(model, y="extra")
    name, values = classes_of(held)
    assert name == "c"
    assert torch.equal(values, torch.eye(3))
    with pytest.raises(Inapplicable, match="c is a cluster: no label says"):
        ClassSamples().need(held)
    objective = SemiSupervised(model, outline(model, SPEC), k=1, bound="elbo", alpha=1.0)
    found = ClassSamples(samples=50)(subject(model, objective, y="extra"))
    assert 0 <= found["judged"] <= 1


def test_without_a_class_or_a_bound_it_says_so():
    held = subject(Painter())
    report = replace(held.composition.report, roles={"x": "observed", "y": "extra"})
    told = replace(held, composition=replace(held.composition, report=report))
    with pytest.raises(Inapplicable, match="no latent is a class beside a style"):
        ClassSamples().need(told)
    with pytest.raises(Inapplicable, match=r"class_samples.train=1: two classes"):
        ClassSamples(train=1)(held)


def test_conditions_of_the_examples_are_used_over_and_over_beside_the_class():
    given = of_class({"a": torch.tensor([5, 6]), "y": Y[:2]}, "y", torch.tensor(2), 5)
    assert given["a"].tolist() == [5, 6, 5, 6, 5]
    assert given["y"].tolist() == [2] * 5
