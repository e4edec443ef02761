"""A class beside a style: what it draws, what it sums over, and how its likelihood is estimated."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import (
    EXAMPLES,
    STEP,
    assert_mean,
    bits_vae,
    class_and_style,
    elbo,
    iwae,
    labelled_spec,
    normal_quadrature,
    refused,
    wide_ppca,
)
from vaebench.distributions import Noise, OneHot
from vaebench.heads import priors
from vaebench.heads.posteriors import Bits
from vaebench.inference import all_values, infer, outline, simulate, strata
from vaebench.measures.likelihood import importance
from vaebench.objectives.estimators import NVIL, Enumerate

SPEC = labelled_spec()


def log_prob(model, x):
    """log p(x) by quadrature over z and a sum over c, `[B]`."""
    points, weights = normal_quadrature(2, 40)
    z = points[..., 0].T.unsqueeze(1)
    each = []
    for c in torch.eye(3):
        log_x = model.likelihood(z, c.expand(len(z), 1, 3)).log_prob(x)
        each.append((weights[:, None] * log_x.exp()).sum(0) / 3)
    return torch.stack(each).sum(0).log()


# ------------------------------------------------------------------------------------ what it is
def test_both_programs_visit_the_class_first_and_the_label_is_read_by_neither():
    found = outline(class_and_style(), SPEC)
    assert found.latents == ("c", "z")
    assert [*found.evidence.p.sites] == ["c", "z", "x"]
    assert found.roles == {"x": "observed", "y": "extra"}
    assert found.quantity == "log p(x)"
    assert found.kl_obstacle is None


def test_samples_are_of_classes_that_are_equally_likely_and_of_one_each():
    torch.manual_seed(0)
    c = simulate(class_and_style(), 6000, {}).values["c"][0]
    assert_close(c.sum(-1), torch.ones(6000))
    assert_mean(c, torch.full((3,), 1 / 3))


def test_what_x_looks_like_depends_on_the_class_and_on_the_style():
    model, (a, b, _) = class_and_style(), torch.eye(3)
    z = torch.randn(2, 2)
    means = [model.likelihood(s, c).mean for s in z for c in (a, b)]
    assert min((m - n).abs().max() for i, m in enumerate(means) for n in means[:i]) > 0.01


def test_a_conditional_prior_is_of_the_class():
    model = class_and_style(prior=partial(priors.Conditioned, hidden=[4], activation="tanh"))
    classes = torch.eye(3).unsqueeze(1)
    evidence = infer(model, {"x": EXAMPLES[:1], "c": classes}, 3)
    means = evidence.p["z"].dist.mean
    assert means.shape == (3, 1, 2)
    assert (means[0] - means[1]).abs().max() > 0.01


def test_a_prior_that_is_made_of_q_has_no_q_of_x_alone():
    with refused("prior", match=r"made of q\(z \| x\), and in this model q reads x, c"):
        class_and_style(prior=partial(priors.Vamp, components=3))


@pytest.mark.parametrize(("name", "value"), [("classes", 1), ("latent_dim", 0)])
def test_too_small_a_latent_is_refused(name, value):
    with refused(match=f"model.{name}={value}: at least"):
        class_and_style(**{name: value})


# ------------------------------------------------------------------------- what is summed, and what not
def test_a_class_beside_a_latent_with_a_path_is_summed_over_unless_told_otherwise():
    assert isinstance(elbo(class_and_style(), SPEC).estimator, Enumerate)
    assert isinstance(iwae(class_and_style(), SPEC, k=1, estimator="auto").estimator, Enumerate)
    bits = class_and_style(posterior=Bits, prior=priors.Bits)
    assert isinstance(elbo(bits, SPEC).estimator, NVIL)
    told = elbo(class_and_style(), SPEC).notes
    assert [note for note in told if "path" in note and note.endswith("at site c")]


def test_values_of_several_latents_are_all_their_combinations():
    found = all_values({"a": OneHot(torch.zeros(1, 2)), "b": OneHot(torch.zeros(1, 3))})
    both = torch.cat([found["a"], found["b"]], 1)
    assert both.shape == (6, 5)
    assert len(both.unique(dim=0)) == 6
    assert (both.sum(1) == 2).all()


def test_a_batch_comes_once_for_each_class_and_once_where_nothing_stands_beside_another():
    batch = {"x": EXAMPLES}
    found = [*strata(class_and_style(), batch)]
    assert [f["c"].tolist() for f in found] == [[row] * 3 for row in torch.eye(3).tolist()]
    for model in (bits_vae(), wide_ppca().vae):
        assert [*strata(model, batch)] == [batch]


def test_who_asks_for_the_classes_moves_no_noise():
    model = class_and_style()
    torch.manual_seed(4)
    before = torch.randn(2)
    torch.manual_seed(4)
    [*strata(model, {"x": EXAMPLES})]
    assert_close(torch.randn(2), before)


@pytest.mark.parametrize("k", [1, 3])
def test_the_mean_of_importance_weights_summed_over_the_class_is_the_likelihood(k):
    model, noise = class_and_style(), Noise(torch.Generator().manual_seed(2))
    with torch.no_grad():  # a q with wider tails than p(z | x, c): weights with a variance
        model.posterior.net.net[1].weight.mul_(0.2)
        model.posterior.net.net[1].bias[2:].fill_(0.2)
    x, exact = EXAMPLES.repeat(4000, 1), log_prob(model, EXAMPLES)
    found = importance(model, {"x": x}, k, noise)
    weights = (found.log_p.view(4000, 3) - exact).exp()
    assert_mean(weights, torch.ones(3))
    assert found.k == 3 * k
    assert (found.ess <= 3 * k).all()


def test_the_class_alone_is_exact_where_the_style_says_nothing():
    """p(x | z, c) without z and q(z | x, c) = p(z): one sample of each class is enough."""
    model = class_and_style()
    with torch.no_grad():
        model.likelihood.net.net[1].weight[:, :2] = 0
        model.posterior.net.net[1].weight.zero_()
        model.posterior.net.net[1].bias.zero_()
    found = importance(model, {"x": EXAMPLES}, 1, Noise())
    assert_close(found.log_p, log_prob(model, EXAMPLES))


def test_its_bound_is_below_its_likelihood():
    model = class_and_style()
    terms = elbo(model, SPEC, k=200)(model, {"x": EXAMPLES}, STEP).terms
    assert (terms["bound"] < log_prob(model, EXAMPLES)).all()
