"""Annealing: what share of the KL weight a step uses, and what it does to a loss."""

from __future__ import annotations

import pytest
import torch

from tests.theorems import elbo, golden_ppca, iwae
from vaebench.errors import Refusal
from vaebench.objectives.anneal import Constant, Cyclical, Linear, Sigmoid


def share(anneal, step):
    return float(anneal(torch.tensor(step)))


def test_the_linear_share_rises_from_zero_and_stays_at_one():
    assert [share(Linear(steps=100), s) for s in (0, 25, 100, 1000)] == [0, 0.25, 1, 1]


def test_the_logistic_share_is_a_half_at_its_midpoint():
    anneal = Sigmoid(midpoint=2500, width=400.0)
    assert share(anneal, 2500) == 0.5
    assert share(anneal, 2500 + 400) == pytest.approx(1 / (1 + 2.718281828**-1), rel=1e-6)


def test_the_cyclical_share_starts_again_each_period():
    anneal = Cyclical(period=100, ramp=0.5)
    assert [share(anneal, s) for s in (0, 25, 50, 99, 100, 125)] == [0, 0.5, 1, 1, 0, 0.5]


def off_golden():
    """Off its golden posterior, whose KL to the prior is 0."""
    model = golden_ppca()
    with torch.no_grad():
        for parameter in model.vae.parameters():
            parameter.add_(0.3)
    return model


@pytest.mark.parametrize("make", [elbo, iwae])
def test_an_annealed_loss_is_that_of_its_beta_and_the_bound_stays_honest(make):
    model = off_golden()

    def estimate(**options):
        objective = make(model.vae, model.spec, k=3, **options)
        torch.manual_seed(0)
        return objective(model.vae, model.batch, torch.tensor(25))

    annealed, fixed = estimate(anneal=Linear(steps=100), beta=2.0), estimate(beta=0.5)
    torch.testing.assert_close(annealed.loss, fixed.loss)
    torch.testing.assert_close(annealed.terms["bound"], estimate().terms["bound"])
    assert not torch.isclose(annealed.loss, estimate().loss)


@pytest.mark.parametrize("make", [elbo, iwae])
def test_evaluation_uses_the_whole_weight(make):
    model = off_golden()
    objective = make(model.vae, model.spec, anneal=Linear(steps=100))

    def loss(step):
        torch.manual_seed(0)
        return objective(model.vae, model.batch, torch.tensor(step)).loss

    whole = loss(100)
    assert not torch.isclose(loss(0), whole), "the KL is 0: the test shows nothing"
    objective.eval()
    torch.testing.assert_close(loss(0), whole)


def test_iwae_at_beta_zero_is_the_log_mean_likelihood():
    """w = p(x|z) [p(z)/q(z|x)]^0: the posterior is then never held to the prior."""
    model = golden_ppca()
    objective = iwae(model.vae, model.spec, k=1, beta=0.0)
    estimate = objective(model.vae, model.batch, torch.tensor(0))
    torch.testing.assert_close(-estimate.loss, estimate.terms["recon"].mean())


@pytest.mark.parametrize(
    "make",
    [
        lambda: Linear(steps=-1),
        lambda: Sigmoid(midpoint=0, width=0.0),
        lambda: Cyclical(period=0, ramp=0.5),
        lambda: Cyclical(period=5, ramp=0.0),
    ],
)
def test_schedules_that_mean_nothing_are_refused(make):
    with pytest.raises(Refusal, match=r"anneal\."):
        make()


@pytest.mark.parametrize("none", [Constant(), Linear(steps=0)])
def test_no_annealing_is_one_at_every_step(none):
    assert none.constant
    assert share(none, 0) == share(none, 10**6) == 1


def test_training_reports_the_weight_of_an_annealed_kl_and_evaluation_does_not():
    model = golden_ppca()
    for make in (elbo, iwae):
        objective = make(model.vae, model.spec, anneal=Linear(steps=10))
        terms = objective(model.vae, model.batch, torch.tensor(3)).terms
        torch.testing.assert_close(terms["kl_weight"], torch.tensor(0.3))
        assert "kl_weight" not in objective.eval()(model.vae, model.batch, torch.tensor(3)).terms
