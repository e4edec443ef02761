"""U and B_y by enumeration are brute force; α and the shares count where they are to."""

from __future__ import annotations

import pytest
import torch
import torch.distributions as td
from torch.testing import assert_close

from tests.theorems import (
    BINARY,
    EXAMPLES,
    STEP,
    Supplied,
    bits_vae,
    class_and_style,
    elbo,
    flat_gradient,
    labelled_spec,
    refused,
    set_linear,
)
from vaebench.heads import priors
from vaebench.heads.posteriors import Bits
from vaebench.inference import outline
from vaebench.objectives import SemiSupervised

C, D = 3, 2
Y = torch.tensor([2, 0, 1])
BATCH = {"x": EXAMPLES, "y": Y}


def semi(model, spec=None, **options):
    """The objective with plain defaults."""
    spec = spec or labelled_spec()
    return SemiSupervised(
        model, outline(model, spec), **{"k": 1, "bound": "elbo", "alpha": 0.1} | options
    )


def noise_of(k, size=3):
    """Of z: the same at every call."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(k * C, size, D, generator=generator)


def step(objective, model, batch=BATCH):
    eps = noise_of(objective.k, len(batch["x"]))
    return objective(model, batch, STEP, Supplied(eps))


def by_hand(model, x, k, bound):
    """B_c `[C, B]` and log q(c | x) `[B, C]`, with nothing but nets of the package."""
    found = []
    for c in range(C):
        one_hot = torch.eye(C)[c].expand(len(x), C)
        loc, log_scale = model.posterior.net(x, one_hot).chunk(2, -1)
        q, prior = td.Normal(loc, log_scale.exp()), td.Normal(torch.zeros(D), torch.ones(D))
        eps = noise_of(k, len(x)).view(k, C, len(x), D)[:, c]
        z = loc + log_scale.exp() * eps
        logits = model.likelihood.net(z, one_hot.expand(k, -1, -1))
        log_x = td.Bernoulli(logits=logits).log_prob(x).sum(-1) - torch.tensor(C).log()
        if bound == "elbo":
            found.append((log_x - td.kl_divergence(q, prior).sum(-1)).mean(0))
        else:
            log_w = log_x + prior.log_prob(z).sum(-1) - q.log_prob(z).sum(-1)
            found.append(log_w.exp().mean(0).log())
    return torch.stack(found), model.classifier.net(x).log_softmax(-1)


def unlabelled_by_hand(model, x, k, bound):
    """Σ_c q(c | x) (B_c - log q(c | x)), `[B]`."""
    bounds, log_q = by_hand(model, x, k, bound)
    return sum(log_q[:, c].exp() * (bounds[c] - log_q[:, c]) for c in range(C))


PARTS = ("likelihood", "posterior", "classifier")
"""θ, φ_z and φ_c."""


# -------------------------------------------------------------------------------------- the bounds
@pytest.mark.parametrize(("k", "bound"), [(1, "elbo"), (3, "elbo"), (1, "iwae"), (5, "iwae")])
def test_without_labels_the_bound_and_its_gradients_are_those_of_brute_force(k, bound):
    spec, model = labelled_spec(0.0), class_and_style()
    none = BATCH | {"labelled": torch.zeros(3, dtype=torch.long)}
    found = step(semi(model, spec, k=k, bound=bound), model, none)
    expected = unlabelled_by_hand(model, EXAMPLES, k, bound)
    assert_close(found.terms["bound"], expected.detach())
    assert_close(found.loss, -expected.mean())
    for name in PARTS:
        part = model.get_submodule(name)
        ours, theirs = flat_gradient(-found.loss, part), flat_gradient(expected.mean(), part)
        assert theirs.abs().max() > 0.01
        assert_close(ours, theirs)


@pytest.mark.parametrize(("k", "bound"), [(2, "elbo"), (5, "iwae")])
def test_with_every_label_the_loss_is_that_of_the_labels_classes_and_of_the_classifier_alone(
    k, bound
):
    model = class_and_style()
    found = step(semi(model, k=k, bound=bound, alpha=0.3), model)
    bounds, log_q = by_hand(model, EXAMPLES, k, bound)
    rows = torch.arange(3)
    expected = bounds[Y, rows].mean() + 0.3 * log_q[rows, Y].mean()
    assert_close(-found.loss, expected)
    assert_close(flat_gradient(-found.loss, model), flat_gradient(expected, model))
    assert_close(found.terms["bound"], unlabelled_by_hand(model, EXAMPLES, k, bound).detach())


@pytest.mark.parametrize("bound", ["elbo", "iwae"])
def test_where_q_is_sure_of_the_label_both_bounds_are_one(bound):
    """On three pixels whose classes a linear net can tell."""
    model, x = class_and_style(), torch.eye(3)
    set_linear(model.classifier.net[1], 2000 * torch.eye(3), torch.zeros(3))
    batch = {"x": x, "y": torch.arange(3)}
    found = step(semi(model, k=2, bound=bound, alpha=0.0), model, batch)
    assert_close(found.terms["bound"].mean(), -found.loss.detach())


def test_without_labels_it_is_the_elbo_summed_over_the_class():
    spec, model = labelled_spec(0.0), class_and_style()
    none = BATCH | {"labelled": torch.zeros(3, dtype=torch.long)}
    ours = step(semi(model, spec, k=2), model, none)
    theirs = step(elbo(model, spec, k=2, estimator="enumerate"), model, none)
    for name, value in theirs.terms.items():
        assert_close(ours.terms[name], value)
    assert_close(flat_gradient(ours.loss, model), flat_gradient(theirs.loss, model))


def test_recon_is_the_mean_under_q_and_kl_what_the_bound_lacks():
    model = class_and_style()
    terms = step(semi(model, k=2), model).terms
    assert_close(terms["recon"] - terms["kl"], terms["bound"])
    _, log_q = by_hand(model, EXAMPLES, 2, "elbo")
    kl_c = (log_q.exp() * (log_q + torch.tensor(C).log())).sum(1)
    kl_z = []
    for c in range(C):
        one_hot = torch.eye(C)[c].expand(3, C)
        loc, log_scale = model.posterior.net(EXAMPLES, one_hot).chunk(2, -1)
        q = td.Normal(loc, log_scale.exp())
        kl_z.append(td.kl_divergence(q, td.Normal(0.0, torch.ones(D))).sum(-1))
    expected = kl_c + (log_q.exp().T * torch.stack(kl_z)).sum(0)
    assert_close(terms["kl"], expected.detach())


# ------------------------------------------------------------------------------- what counts how much
def some(labelled):
    return BATCH | {"labelled": torch.tensor(labelled)}


def test_means_with_and_without_a_label_are_weighed_by_their_shares_of_the_data():
    model, share = class_and_style(), 0.2
    found = step(semi(model, labelled_spec(share), alpha=0.3), model, some([1, 0, 0]))
    bounds, log_q = by_hand(model, EXAMPLES, 1, "elbo")
    without = unlabelled_by_hand(model, EXAMPLES, 1, "elbo")[1:].mean()
    expected = share * bounds[2, 0] + (1 - share) * without + 0.3 * log_q[0, 2]
    assert_close(-found.loss, expected)
    assert_close(flat_gradient(-found.loss, model), flat_gradient(expected, model))


def test_a_batch_without_labels_is_half_of_the_story_and_no_division_by_zero():
    model = class_and_style()
    found = step(semi(model, labelled_spec(0.2)), model, some([0, 0, 0]))
    assert_close(-found.loss, 0.8 * found.terms["bound"].mean())


def test_alpha_counts_on_examples_with_a_label_alone():
    model, spec = class_and_style(), labelled_spec(0.5)
    batch = some([0, 1, 0])
    losses = [step(semi(model, spec, alpha=a), model, batch).loss for a in (0.0, 2.0)]
    log_q = model.classifier.net(EXAMPLES).log_softmax(-1)
    assert_close(losses[1] - losses[0], -2 * log_q[1, Y[1]])


def test_labels_that_are_not_known_are_not_looked_at():
    model, objective = class_and_style(), None
    objective = semi(model, labelled_spec(0.5), alpha=1.0)
    other = some([0, 1, 0]) | {"y": torch.tensor([0, 0, 2])}
    losses = [step(objective, model, batch).loss for batch in (some([0, 1, 0]), other)]
    assert_close(*losses)
    last = some([0, 1, 0]) | {"y": torch.tensor([2, 1, 1])}
    assert abs(step(objective, model, last).loss - losses[0]) > 0.01


def test_an_evaluation_knows_no_label_and_tells_how_many_are_wrong():
    model = class_and_style()
    found = step(semi(model, labelled_spec(0.5)).eval(), model, some([1, 1, 1]))
    assert_close(-found.loss, found.terms["bound"].mean())
    wrong = model.classifier.net(EXAMPLES).argmax(-1) != Y
    assert found.terms["error"].tolist() == wrong.tolist()


# --------------------------------------------------------------------------------------- refusals
def test_what_it_has_no_use_for_is_refused():
    model = class_and_style()
    with refused(match="alpha=-1: must not be negative"):
        semi(model, alpha=-1)
    with refused("objective", match="learns from labels, and the data have none"):
        semi(class_and_style(BINARY), BINARY)
    with refused("model", "objective", match="a latent class c, which this model has none of"):
        semi(bits_vae(spec=labelled_spec()))
    with refused("model", match="has 3 classes, and y of the data 5", options=("model.classes=5",)):
        semi(class_and_style(labelled_spec(classes=5)), labelled_spec(classes=5))
    with refused("posterior", "objective", match="infers bits at site 'z'"):
        semi(class_and_style(posterior=Bits, prior=priors.Bits))


def test_more_classes_than_labels_are_clusters_beside_them():
    spec = labelled_spec(classes=2)
    model = class_and_style(spec)
    assert step(semi(model, spec), model, BATCH | {"y": Y % 2}).loss.isfinite()
