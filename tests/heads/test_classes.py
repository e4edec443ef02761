"""Heads of classes: posteriors and priors of one-hot variables, and the likelihood of labels."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
import torch.distributions as td
from torch.testing import assert_close

from tests.theorems import (
    BINARY,
    CLASSES,
    EXAMPLES,
    assert_mean,
    at_every_value,
    in_float64,
    linear,
    log_q_of,
    refused,
    scattered,
)
from vaebench.data import Field, Spec, Support
from vaebench.distributions import Mixture, OneHot
from vaebench.heads import latent_field, priors
from vaebench.heads.likelihoods import Bernoulli, Label
from vaebench.heads.posteriors import Categorical
from vaebench.inference import infer
from vaebench.models import VAE, Hierarchical, Unconditional
from vaebench.nets import MLP
from vaebench.trace import Trace

__all__ = ["in_float64"]

Z = Field((8,), Support.ONE_HOT, 4)


def test_the_posterior_of_classes_has_their_logits_as_parameters():
    head, logits = Categorical(Field((2,)), classes=4), torch.randn(5, 8)
    assert head.param_shape == (8,)
    dist = head(logits)
    z = dist.values()
    theirs = td.Independent(td.OneHotCategorical(logits=logits.view(5, 2, 4)), 1)
    assert_close(dist.log_prob(z.unsqueeze(1)), theirs.log_prob(z.view(16, 1, 2, 4)))


def test_the_field_of_a_latent_of_classes_holds_all_of_their_entries():
    field = latent_field(2, Categorical(Field((2,)), classes=4))
    assert (field.shape, field.support, field.levels) == ((8,), Support.ONE_HOT, 4)
    x = field.example(500, torch.Generator().manual_seed(0)).view(500, 2, 4)
    assert x.unique().tolist() == [0, 1]
    assert_close(x.sum(-1), torch.ones(500, 2))
    assert (x.sum(0) > 0).all()


@pytest.mark.parametrize("classes", [1, 0, -2])
def test_fewer_than_two_classes_are_refused(classes):
    with refused(match=f"posterior.classes={classes}: at least 2"):
        Categorical(Field((2,)), classes=classes)


@pytest.mark.parametrize("learned", [True, False])
def test_the_prior_of_classes_begins_with_all_alike_and_is_learned_where_it_is_to_be(learned):
    prior = priors.Categorical(Z, learned=learned)
    dist = prior()
    assert_close(dist.log_prob(dist.values()).exp(), torch.full((16,), 1 / 16))
    assert [name for name, _ in prior.named_parameters()] == (["logits"] if learned else [])
    assert not prior.state_dict() or learned


@pytest.mark.parametrize("support", [Support.REAL, Support.BINARY])
def test_the_prior_of_classes_is_of_nothing_else(support):
    with refused("prior", "posterior", match="a density of classes, which this posterior"):
        priors.Categorical(Field((8,), support, 2), learned=True)


def test_a_trace_draws_k_by_b_of_them_and_scores_them_so():
    p = Trace(3, 2)
    z = p("z", priors.Categorical(Z, learned=True)())
    assert z.shape == (3, 2, 8)
    assert_close(z.view(3, 2, 2, 4).sum(-1), torch.ones(3, 2, 2))
    assert p["z"].log_prob.shape == (3, 2)


def test_a_vamp_prior_of_classes_is_a_mixture_of_the_posterior_that_sums_to_one():
    model = VAE(
        BINARY,
        latent_dim=2,
        nets=linear(),
        posterior=partial(Categorical, classes=3),
        prior=partial(priors.Vamp, components=4),
        likelihood=Bernoulli,
    )
    prior = scattered(model).prior()
    assert isinstance(prior, Mixture)
    assert prior.kind == "classes (1 of 3)"
    values = OneHot(torch.zeros(2, 3)).values()
    assert_close(prior.log_prob(values).exp().sum(), torch.tensor(1.0))


# ------------------------------------------------------------------------------------ hierarchies
def hierarchy() -> Hierarchical:
    model = Hierarchical(
        BINARY,
        layers=[2, 1],
        nets=linear(),
        links=linear(),
        posterior=partial(Categorical, classes=3),
        prior=CLASSES,
        likelihood=Bernoulli,
    )
    return scattered(model)


def test_every_layer_of_a_hierarchy_of_classes_is_of_classes_on_both_sides():
    evidence = infer(hierarchy(), {"x": EXAMPLES}, 4)
    for name, width in (("z1", 6), ("z2", 3)):
        assert evidence.q[name].value.shape == (4, 3, width)
        assert evidence.q[name].dist.kind == evidence.p[name].dist.kind == "classes (1 of 3)"


def test_importance_weights_of_a_hierarchy_of_classes_average_to_its_enumerated_p():
    model = hierarchy()
    enumerated = at_every_value(model, EXAMPLES[0])
    log_q = log_q_of(enumerated)[:, 0]
    assert_close(log_q.exp().sum(), torch.tensor(1.0))
    p = (enumerated.log_w[:, 0] + log_q).exp().sum().detach()
    log_w = infer(model, {"x": EXAMPLES[:1]}, 40_000).log_w[:, 0]
    assert_mean(log_w.exp() / p, 1.0)


# ---------------------------------------------------------------------------------------- labels
def label(*shape: int) -> Field:
    share = torch.tensor([0.2, 0.5, 0.3]).view(-1, *(1 for _ in shape)).expand(-1, *shape)
    return Field(shape, Support.LABEL, 3, share)


@pytest.mark.parametrize("shape", [(), (2,)], ids=str)
def test_a_label_has_a_softmax_over_its_classes(shape):
    head = Label(label(*shape))
    assert head.param_shape == (3, *shape)
    for lead in ((), (2,), (5, 2)):
        dist = head(torch.randn(*lead, *head.param_shape))
        assert (dist.batch_shape, dist.event_shape) == (lead, shape)
        assert dist.log_prob(torch.zeros(shape, dtype=torch.int64)).shape == lead


@pytest.mark.parametrize("shape", [(), (2,)], ids=str)
def test_its_parameters_may_begin_at_how_often_each_class_occurs(shape):
    field = label(*shape)
    head = Label(field)
    assert_close(head(head.params_for_mean(field.mean)).probabilities, field.mean)


def test_a_class_that_never_occurred_is_unlikely_and_not_impossible():
    head = Label(Field((), Support.LABEL, 3))
    log_p = head(head.params_for_mean(torch.tensor([0.4, 0.6, 0.0]))).log_prob(torch.tensor(2))
    assert_close(log_p, torch.tensor(math.log(0.001 / 1.001)))


@pytest.mark.parametrize("support", [s for s in Support if s is not Support.LABEL])
def test_other_data_are_no_labels(support):
    with refused("likelihood", match=r"is of labels; the data are"):
        Label(Field((3,), support, 3))


def test_labels_have_neither_bits_per_dimension_nor_a_caveat():
    head = Label(label())
    assert head.bits_per_nat() is None
    assert head.caveat is None


def test_the_likelihood_of_labels_alone_costs_their_entropy_from_the_beginning():
    field = label()
    model = Unconditional(Spec({"y": field}, 100), likelihood=Label, observed="y")
    y = torch.tensor([0, 1, 2])
    log_p = infer(model, {"y": y}, 1).log_w[0]
    assert_close(log_p.exp(), field.mean)


def test_a_decoder_of_labels_may_begin_at_their_shares():
    nets = MLP(hidden=[4], activation="tanh", init="glorot", output_bias="data_mean")
    head = Label(label())
    net = nets.decoder((2,), head.param_shape, label().mean, head.params_for_mean)
    assert_close(head(net(torch.zeros(2))).probabilities, label().mean)


def test_pseudo_inputs_are_no_labels():
    with refused("prior", match="which are numbers; the data are labels of classes"):
        priors.Vamp(Field((2,)), torch.nn.Identity(), label(), components=3)
