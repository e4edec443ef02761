"""Relaxed bits: biased, visibly, and honest where it counts."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.theorems import (
    BINARY,
    EXAMPLES,
    STEP,
    Supplied,
    assert_mean,
    belief_net,
    bits_vae,
    classes_vae,
    elbo,
    expected_bound,
    flat_gradient,
    gradient_samples,
    iwae,
    largest_z,
    log_mean_exp,
    z_scores,
)
from vaebench.distributions import BernoulliLogits, Noise, OneHot
from vaebench.inference import infer, outline
from vaebench.objectives.bounds import Mean
from vaebench.objectives.estimators import Estimand, StraightThrough
from vaebench.objectives.estimators.relaxed import concrete, through_concrete, through_mean

WAYS = ["concrete", "straight_through", "straight_through_concrete"]
every_way = pytest.mark.parametrize("way", WAYS)
MODELS = [bits_vae, belief_net, classes_vae]


def exact(model, k: int = 1) -> Tensor:
    return -flat_gradient(expected_bound(model, EXAMPLES, k), model)


# ------------------------------------------------------------------------------- known biases
@every_way
@pytest.mark.parametrize("make", MODELS)
def test_the_bias_of_the_encoders_gradient_shows(make, way):
    model = make()
    z = z_scores(
        gradient_samples(elbo(model, BINARY, estimator=way), model, EXAMPLES), exact(model)
    )
    assert z.abs().max() > 3 * largest_z(len(z))


@every_way
def test_the_bias_of_importance_weighted_gradients_shows(way):
    model = belief_net(2, 2)
    samples = gradient_samples(iwae(model, BINARY, k=2, estimator=way), model, EXAMPLES)
    z = z_scores(samples, exact(model, 2))
    assert z.abs().max() > 3 * largest_z(len(z))


def squared_bias(model, way: str, temperature: float) -> tuple[float, float]:
    """‖E[estimate] - exact‖² of the encoder's gradient without the part that is noise, and the
    standard error of it."""
    objective = elbo(model, BINARY, estimator=way, temperature=temperature)
    samples = gradient_samples(objective, model, EXAMPLES, of=model.posterior, size=2000)
    expected = -flat_gradient(expected_bound(model, EXAMPLES), model.posterior)
    off, noise = samples.mean(0) - expected, samples.var(0) / len(samples)
    error = (4 * off.square() * noise + 2 * noise.square()).sum().sqrt()
    return (off.square() - noise).sum().item(), error.item()


@pytest.mark.parametrize("make", MODELS)
def test_the_bias_of_concrete_gradients_falls_with_the_temperature(make):
    model = make()
    found = [squared_bias(model, "concrete", t) for t in (2.0, 0.7, 0.2)]
    for (hot, a), (cold, b) in pairwise(found):
        assert (hot - cold) / (a**2 + b**2) ** 0.5 > 4.5


def test_the_variance_of_concrete_gradients_grows_as_the_temperature_falls():
    model = belief_net()
    options = {"of": model.posterior, "groups": 100, "size": 50}
    draw = partial(gradient_samples, model=model, x=EXAMPLES, **options)
    hot, cold = (
        draw(elbo(model, BINARY, estimator="concrete", temperature=t)).var(0).sum()
        for t in (0.7, 0.05)
    )
    assert cold > 3 * hot


@pytest.mark.parametrize("make", [bits_vae, classes_vae])
def test_straight_through_is_exact_where_f_is_linear_in_the_latents(make):
    """E[a · z] = a · E[z]."""
    model = make()
    a = torch.tensor([2.0, -3.0, 0.7]).repeat(len(model.posterior(EXAMPLES).mean[0]) // 3)

    def read(evidence):
        return {"f": evidence.q["z"].value @ a}

    estimator = StraightThrough(Estimand(model, outline(model, BINARY), Mean(), read, 4))
    found = estimator(model, {"x": EXAMPLES}, 4, read, Mean())
    expected = model.posterior(EXAMPLES).mean @ a
    gradient = flat_gradient(found.surrogate.sum(), model)
    assert_close(gradient, flat_gradient(expected.sum(), model))


# ------------------------------------------------------------------ what the samples are like
def noise(seed: int = 1) -> Noise:
    return Noise(torch.Generator().manual_seed(seed))


def bits_of(dist, relax) -> Tensor:
    return relax(dist, (5000,), noise())


OF_SIX = {
    "bits": lambda: BernoulliLogits(torch.randn(2, 6, requires_grad=True)),
    "classes": lambda: OneHot(torch.randn(2, 2, 3, requires_grad=True)),
}
of_six = pytest.mark.parametrize("make", OF_SIX.values(), ids=OF_SIX.keys())


@of_six
def test_straight_through_samples_are_hard_draws_of_the_same_noise(make):
    dist = make()
    hard = dist.rsample((5000,), noise())
    for relax in (through_mean, partial(through_concrete, temperature=0.5)):
        found = bits_of(dist, relax)
        assert_close(found.detach(), hard, rtol=0, atol=1e-15)
        assert found.requires_grad


@of_six
def test_their_gradients_are_those_of_the_mean_and_of_the_concrete_draw(make):
    dist, weight = make(), torch.randn(5000, 2, 6)

    def slope(value: Tensor) -> Tensor:
        return torch.autograd.grad((weight * value).sum(), dist.logits)[0]

    assert_close(slope(bits_of(dist, through_mean)), slope(dist.mean.expand(5000, 2, 6)))
    soft = bits_of(dist, partial(concrete, temperature=0.5))
    hard = bits_of(dist, partial(through_concrete, temperature=0.5))
    assert_close(slope(hard), slope(soft))


def test_all_the_layers_of_a_relaxed_hierarchy_are_relaxed():
    evidence = infer(belief_net(), {"x": EXAMPLES}, 4, relax=partial(concrete, temperature=0.5))
    for name in ("z1", "z2"):
        value = evidence.q[name].value
        assert ((value > 0) & (value < 1)).all()
        assert value.requires_grad


# -------------------------------------------------------------------------- honest evaluation
@every_way
@pytest.mark.parametrize("k", [1, 2])
def test_an_evaluation_reports_the_bound_of_hard_samples(way, k):
    model = belief_net(2, 2)
    objective = iwae(model, BINARY, k=k, estimator=way).eval()
    terms = objective(model, {"x": EXAMPLES.repeat(10_000, 1)}, STEP).terms
    expected = torch.stack([expected_bound(model, x[None], k) for x in EXAMPLES])
    assert_mean(terms["bound"].view(-1, 3), expected.detach())


@every_way
def test_an_evaluation_of_the_elbo_reports_it_and_its_parts(way):
    model = belief_net()
    objective = elbo(model, BINARY, estimator=way, beta=3.0).eval()
    terms = objective(model, {"x": EXAMPLES.repeat(10_000, 1)}, STEP).terms
    for name, f in (("recon", lambda e: e.recon), ("bound", lambda e: e.log_w)):
        expected = torch.stack([expected_bound(model, x[None], f=f) for x in EXAMPLES])
        assert_mean(terms[name].view(-1, 3), expected.detach())


@every_way
def test_training_reports_it_too(way):
    """Of concrete samples, which give no bound on log p(x), at other, hard ones."""
    model = belief_net(2, 2)
    objective = iwae(model, BINARY, k=2, estimator=way, beta=0.4)
    estimate = objective(model, {"x": EXAMPLES.repeat(10_000, 1)}, STEP)
    for name, f, k in (("bound", lambda e: e.log_w, 2), ("recon", lambda e: e.recon, 1)):
        expected = torch.stack([expected_bound(model, x[None], k, f=f) for x in EXAMPLES])
        assert_mean(estimate.terms[name].view(-1, 3), expected.detach())
    assert all(not term.requires_grad for term in estimate.terms.values())


def test_the_gradient_of_a_concrete_step_is_that_of_the_relaxed_bound():
    model, batch = belief_net(), {"x": EXAMPLES}
    objective = iwae(model, BINARY, k=3, estimator="concrete", temperature=0.7)
    torch.manual_seed(1)
    found = flat_gradient(objective(model, batch, STEP).loss, model)
    torch.manual_seed(1)
    evidence = infer(model, batch, 3, relax=partial(concrete, temperature=0.7))
    assert_close(found, flat_gradient(-log_mean_exp(evidence.log_w).mean(), model))


@pytest.mark.parametrize(("make", "event"), [(bits_vae, (3,)), (classes_vae, (2, 3))])
def test_the_concrete_bound_tends_to_the_hard_one_of_the_same_noise(make, event):
    model, u = make(), torch.rand(4, 3, *event)
    hard = log_mean_exp(infer(model, {"x": EXAMPLES}, 4, noise=Supplied(u)).log_w)
    far, near = (
        log_mean_exp(infer(model, {"x": EXAMPLES}, 4, noise=Supplied(u), relax=relax).log_w)
        for relax in (partial(concrete, temperature=t) for t in (1.0, 1e-4))
    )
    assert (far - hard).abs().max() > 0.05
    assert_close(near, hard, rtol=0, atol=1e-6)
