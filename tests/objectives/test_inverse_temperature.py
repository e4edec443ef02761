"""The inverse temperature: log p(x, z) is multiplied by a, log q(z | x) is not."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.fast import first_of
from tests.theorems import (
    BINARY,
    EXAMPLES,
    STEP,
    BottomUp,
    assert_mean,
    assert_same_mean,
    belief_net,
    bits_vae,
    elbo,
    expected_bound,
    flat_gradient,
    gradient_samples,
    iwae,
    log_q_of,
    refused,
    scattered,
    wide_ppca,
)
from vaebench.data import Field
from vaebench.errors import Refusal
from vaebench.inference import Hamiltonian, infer, log_mean_exp
from vaebench.objectives.anneal import InverseTemperature

A = 0.3
HOT = InverseTemperature(start=A, steps=100)
"""Whose share at step 0 is A."""


def tempered(evidence, beta: float = 1.0) -> Tensor:
    """a log p(x | z) + β [a log p(z) - log q(z | x)], term by term, `[k, B]`."""
    recon = sum(site.log_prob for site in evidence.observed)
    prior = sum(evidence.p[name].log_prob for name in evidence.latents)
    auxiliary = 0 if evidence.correction is None else evidence.correction
    return A * recon + beta * (A * prior - log_q_of(evidence) - auxiliary)


def hamiltonian_ppca():
    """A model whose q has momenta besides its latents."""
    model = wide_ppca()
    options = {"steps": 2, "step_size": 0.1, "hidden": [4], "activation": "elu"}
    refine = Hamiltonian({"z": Field((2,))}, model.spec.fields, **options)
    model.vae.refine = scattered(refine, spread=0.3)
    return model


MODELS = {"plain": wide_ppca, "momenta": hamiltonian_ppca}
of_each_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())


def seen(objective, model, step: int = 0):
    torch.manual_seed(1)
    return objective(model.vae, {"x": model.x.expand(4, 3)}, torch.tensor(step))


def drawn(model, k: int):
    torch.manual_seed(1)
    return infer(model.vae, {"x": model.x.expand(4, 3)}, k)


# --------------------------------------------------------------------------------- the schedule
def test_the_share_rises_from_its_start_and_stays_at_one():
    paper = InverseTemperature(start=0.01, steps=10_000)
    shares = [float(paper(torch.tensor(t))) for t in (0, 100, 5000, 9900, 10**6)]
    assert shares == pytest.approx([0.01, 0.02, 0.51, 1, 1])


@pytest.mark.parametrize("none", [{"start": 0.01, "steps": 0}, {"start": 1.0, "steps": 9}], ids=str)
def test_no_annealing_is_one_at_every_step(none):
    anneal = InverseTemperature(**none)
    assert anneal.constant
    assert [float(anneal(torch.tensor(t))) for t in (0, 5, 10**6)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"start": -0.1, "steps": 1}, r"anneal\.start=-0\.1: must lie in \[0, 1\]"),
        ({"start": 1.1, "steps": 1}, r"anneal\.start=1\.1: must lie in \[0, 1\]"),
        ({"start": 0.1, "steps": -1}, r"anneal\.steps=-1: at least 0"),
    ],
)
def test_schedules_that_mean_nothing_are_refused(options, said):
    with pytest.raises(Refusal, match=said):
        InverseTemperature(**options)


# ------------------------------------------------------------------------------------- the loss
@of_each_model
@pytest.mark.parametrize("beta", [1.0, 2.5])
def test_the_sampled_elbo_is_its_formula_at_the_same_noise(make, beta):
    model = make()
    found = seen(elbo(model.vae, model.spec, k=3, kl="mc", anneal=HOT, beta=beta), model)
    assert_close(found.loss, -tempered(drawn(model, 3), beta).mean())


def test_with_a_closed_form_kl_only_the_entropy_is_sampled():
    model = wide_ppca()
    found = seen(elbo(model.vae, model.spec, k=3, kl="analytic", anneal=HOT), model)
    evidence = drawn(model, 3)
    bound = (evidence.recon - evidence.kl()).mean()
    assert_close(found.loss, -(A * bound - (1 - A) * log_q_of(evidence).mean()))


@of_each_model
@pytest.mark.parametrize("beta", [1.0, 2.5])
def test_the_importance_weighted_bound_is_its_formula_at_the_same_noise(make, beta):
    model = make()
    found = seen(iwae(model.vae, model.spec, k=3, anneal=HOT, beta=beta), model)
    assert_close(found.loss, -log_mean_exp(tempered(drawn(model, 3), beta)).mean())


@of_each_model
@pytest.mark.parametrize("objective", [elbo, iwae])
def test_at_the_schedules_end_it_is_the_plain_loss(make, objective):
    model = make()
    hot, plain = (seen(objective(model.vae, model.spec, **o), model, 99) for o in HOT_AND_PLAIN)
    assert_close(hot.loss, plain.loss)
    gradients = (flat_gradient(e.loss, model.vae) for e in (hot, plain))
    assert_close(*gradients)


HOT_AND_PLAIN = [{"anneal": HOT}, {}]


@of_each_model
@pytest.mark.parametrize("objective", [elbo, iwae])
def test_what_is_reported_is_the_plain_bound(make, objective):
    model = make()
    hot, plain = (seen(objective(model.vae, model.spec, **o), model) for o in HOT_AND_PLAIN)
    for name, value in plain.terms.items():
        assert_close(hot.terms[name], value)
    assert not torch.isclose(hot.loss, plain.loss)


@of_each_model
@pytest.mark.parametrize("objective", [elbo, iwae])
def test_an_evaluation_is_not_tempered(make, objective):
    model = make()
    hot, plain = (seen(objective(model.vae, model.spec, **o).eval(), model) for o in HOT_AND_PLAIN)
    assert_close(hot.loss, plain.loss)


@pytest.mark.parametrize("objective", [elbo, iwae])
def test_training_reports_the_inverse_temperature_and_evaluation_does_not(objective):
    model = wide_ppca()
    hot = objective(model.vae, model.spec, anneal=HOT)
    assert_close(seen(hot, model, 20).terms["inverse_temperature"], torch.tensor(0.5))
    assert "kl_weight" not in seen(hot, model).terms
    assert "inverse_temperature" not in seen(hot.eval(), model).terms


def test_free_bits_have_no_kl_to_act_on_and_are_refused():
    model = wide_ppca()
    with refused("anneal", match="no KL", options=("objective.free_bits=0",)):
        elbo(model.vae, model.spec, free_bits=0.1, anneal=HOT)
    none = InverseTemperature(start=0.01, steps=0)
    elbo(model.vae, model.spec, free_bits=0.1, anneal=none)


# -------------------------------------------------------------------------------- the gradients
def entropy(q) -> Tensor:
    """Σ_d log σ_d + ½ log 2πe."""
    return (q.log_scale + 0.5 * math.log(2 * math.pi * math.e)).sum()


@pytest.mark.parametrize("kl", ["analytic", "mc"])
@pytest.mark.parametrize("estimator", ["score", "nvil", "pathwise"])
def test_on_a_gaussian_posterior_every_estimator_has_the_closed_form_gradient(estimator, kl):
    """a L + (1 - a) H[q]."""
    model = wide_ppca()
    objective = elbo(model.vae, model.spec, estimator=estimator, kl=kl, anneal=HOT)
    expected = A * model.closed_form_bound()
    expected = expected + (1 - A) * entropy(model.vae.posterior(model.batch["x"]))
    samples = gradient_samples(objective, model.vae, model.x)
    assert_mean(samples, -flat_gradient(expected, model.vae))


def test_sticking_the_landing_has_the_pathwise_mean():
    model = wide_ppca()
    found, plain = (
        gradient_samples(
            elbo(model.vae, model.spec, estimator=e, kl="mc", anneal=HOT), model.vae, model.x
        )
        for e in ("stl", "pathwise")
    )
    assert_same_mean(found, plain)


LATENTS = {"one layer": bits_vae, "two layers": belief_net}


@pytest.mark.parametrize("make", LATENTS.values(), ids=LATENTS.keys())
@pytest.mark.parametrize("kl", ["auto", "mc"])
@pytest.mark.parametrize("estimator", ["score", "nvil"])
@pytest.mark.parametrize("beta", [1.0, 2.5])
def test_on_bits_the_elbo_has_the_enumerated_gradient(make, estimator, kl, beta):
    model = make()
    objective = elbo(model, BINARY, estimator=estimator, kl=kl, beta=beta, anneal=HOT)
    expected = expected_bound(model, EXAMPLES, f=partial(tempered, beta=beta))
    samples = gradient_samples(objective, model, EXAMPLES)
    assert_mean(samples, -flat_gradient(expected, model))


@pytest.mark.parametrize("estimator", ["score", "vimco"])
def test_on_bits_tempered_importance_weights_have_the_enumerated_gradient(estimator):
    model = belief_net(2, 2)
    objective = iwae(model, BINARY, k=2, estimator=estimator, anneal=HOT)
    samples = gradient_samples(objective, model, EXAMPLES)
    assert_mean(samples, -flat_gradient(expected_bound(model, EXAMPLES, 2, f=tempered), model))


@pytest.mark.parametrize("beta", [1.0, 2.0])
@pytest.mark.parametrize("options", first_of([{"M": 2}, {}, {"elbo_share": 0.3}]), ids=str)
@pytest.mark.parametrize("estimator", ["dreg", "one_of_k"])
def test_estimators_along_the_path_have_the_pathwise_mean(estimator, options, beta):
    """log q keeps its whole weight β, which is what the doubly reparameterised path goes by."""
    model, both = scattered(BottomUp(), spread=0.6), []
    for each in (estimator, "pathwise"):
        objective = iwae(
            model, BottomUp.spec, k=3, estimator=each, beta=beta, anneal=HOT, **options
        )
        both.append(gradient_samples(objective, model, model.x))
    assert_same_mean(*both)


def test_nvil_finds_what_a_latent_enters_in_training_and_evaluates_without_it():
    model = bits_vae()
    hot, plain = (
        elbo(model, BINARY, estimator="nvil", kl="analytic", **o).eval() for o in HOT_AND_PLAIN
    )
    found = []
    for objective in (hot, plain):
        torch.manual_seed(1)
        found.append(objective(model, {"x": EXAMPLES}, STEP).terms["bound"])
    assert_close(*found)
