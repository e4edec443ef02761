"""What an objective takes from the reconstruction: a KL that is held at a value, and one's own."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import (
    BINARY,
    EXAMPLES,
    STEP,
    bits_vae,
    elbo,
    flat_gradient,
    refused,
    wide_ppca,
)
from vaebench.errors import Incompatible
from vaebench.inference import infer, outline
from vaebench.objectives import CapacityControlled, Reconstruction
from vaebench.objectives.anneal import Constant, InverseTemperature, Linear
from vaebench.objectives.regularizers import Regularizer


def capacity(model, **options):
    defaults = {"k": 1, "capacity": 1.0, "gamma": 3.0, "anneal": Constant(), "kl": "auto"}
    return CapacityControlled(model.vae, outline(model.vae, model.spec), **defaults | options)


def estimate(objective, model, step=STEP, size=20):
    torch.manual_seed(1)
    return objective(model.vae, {"x": model.x.expand(size, 3)}, step)


# ------------------------------------------------------------------------------------- capacity
@pytest.mark.parametrize("kl", ["analytic", "mc"])
@pytest.mark.parametrize("c", [0.0, 1.0, 50.0])
def test_the_loss_is_minus_the_reconstruction_and_gamma_times_the_distance_from_c(c, kl):
    model = wide_ppca()
    found = estimate(capacity(model, capacity=c, kl=kl), model)
    plain = estimate(elbo(model.vae, model.spec, kl=kl), model).terms
    recon, mean = plain["recon"].mean(), plain["kl"].mean()
    assert_close(found.loss.detach(), -recon + 3.0 * (mean - c).abs())
    assert {*found.terms} == {*plain}
    for name, value in plain.items():
        assert_close(found.terms[name], value)


@pytest.mark.parametrize(("c", "beta"), [(0.0, 3.0), (50.0, -3.0)])
def test_above_c_its_gradient_is_that_of_beta_gamma_and_below_of_minus_gamma(c, beta):
    model = wide_ppca()
    found = flat_gradient(estimate(capacity(model, capacity=c), model).loss, model.vae)
    batch = {"x": model.x.expand(20, 3)}
    torch.manual_seed(1)
    evidence = infer(model.vae, batch, 1)
    expected = -evidence.recon.mean() + beta * evidence.kl().mean()
    assert_close(found, flat_gradient(expected, model.vae))


def test_c_rises_as_the_annealing_says_and_is_told_in_training_alone():
    objective, model = capacity(wide_ppca(), capacity=8.0, anneal=Linear(steps=4)), wide_ppca()
    told = [estimate(objective, model, torch.tensor(s)).terms["capacity"] for s in range(6)]
    assert_close(torch.stack(told), torch.tensor([0.0, 2.0, 4.0, 6.0, 8.0, 8.0]))
    evaluated = estimate(objective.eval(), model, torch.tensor(1))
    assert "capacity" not in evaluated.terms
    kl = evaluated.terms["kl"].mean()
    assert_close(evaluated.loss, -evaluated.terms["recon"].mean() + 3.0 * (kl - 8.0).abs())


def test_training_ends_at_the_capacity():
    model = wide_ppca()
    objective = capacity(model, capacity=0.8, gamma=20.0)
    optimizer = torch.optim.Adam(model.vae.posterior.parameters(), 0.01)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, 800)
    torch.manual_seed(0)
    for _ in range(800):
        optimizer.zero_grad()
        objective(model.vae, {"x": model.x.expand(100, 3)}, STEP).loss.backward()
        optimizer.step()
        schedule.step()
    found = estimate(objective, model, size=2000).terms
    assert found["kl"].mean().item() == pytest.approx(0.8, abs=0.02)


def test_negative_numbers_and_a_tempered_model_are_refused():
    for name in ("capacity", "gamma"):
        with pytest.raises(Incompatible, match=f"objective.{name}=-1"):
            capacity(wide_ppca(), **{name: -1})
    with refused("anneal", "objective", match="anneals a capacity"):
        capacity(wide_ppca(), anneal=InverseTemperature(start=0.1, steps=10))


# ----------------------------------------------------------------------------------- one's own
class Centred(Regularizer):
    """7 ‖mean of z over the batch‖², which follows the samples along their path."""

    needs_path = True
    notes = ("the codes are held at 0",)

    def __init__(self, outline):
        super().__init__()

    def cost(self, evidence, step):
        return 7 * evidence.q["z"].value.mean((0, 1)).square().sum()

    def told(self, evidence, step):
        return {"off": self.cost(evidence, step).detach()}


class Charged(Regularizer):
    """The mean of ‖z‖², charged sample by sample, times a number that is learned."""

    def __init__(self, outline):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(2.0))

    def charges(self, evidence, step):
        return {"length": self.weight.detach() * evidence.q["z"].value.square().sum(-1)}

    def cost(self, evidence, step):
        mean = evidence.q["z"].value.detach().square().sum(-1).mean()
        return self.weight * mean


def test_one_along_the_path_adds_its_value_and_its_gradient():
    model = wide_ppca()
    objective = elbo(model.vae, model.spec, regularizers={"centred": Centred})
    found, plain = estimate(objective, model), estimate(elbo(model.vae, model.spec), model)
    torch.manual_seed(1)
    evidence = infer(model.vae, {"x": model.x.expand(20, 3)}, 1)
    own = 7 * evidence.q["z"].value.mean((0, 1)).square().sum()
    assert_close(found.loss, plain.loss + own)
    expected = flat_gradient(plain.loss + own, model.vae)
    assert_close(flat_gradient(found.loss, model.vae), expected)
    assert_close(found.terms.pop("off"), own.detach())
    for name, value in plain.terms.items():
        assert_close(found.terms[name], value)
    assert "the codes are held at 0" in objective.notes


def test_charges_reach_any_estimator_and_its_own_parameters_are_trained():
    model = bits_vae()
    objective = elbo(model, BINARY, estimator="nvil", regularizers={"length": Charged})
    batch = {"x": EXAMPLES.repeat(20_000, 1)}
    torch.manual_seed(0)
    estimate = objective(model, batch, STEP)
    length = estimate.evidence.q["z"].value.square().sum(-1).mean()
    assert_close(estimate.loss.detach(), -estimate.terms["bound"].mean() + 2.0 * length)
    weight = objective.regularizers["length"].weight
    (slope,) = torch.autograd.grad(estimate.loss, [weight], retain_graph=True)
    assert_close(slope, length)
    assert [weight] in [group["params"] for group in objective.groups()]
    assert {"length"} < {*objective.estimator.moves["z"]}


def test_an_autoencoder_takes_one_too():
    """As a Wasserstein autoencoder does: no bound, and a price on the codes."""
    model = wide_ppca()
    seen = outline(model.vae, model.spec)
    found = estimate(Reconstruction(model.vae, seen, k=1, regularizers={"centred": Centred}), model)
    plain = estimate(Reconstruction(model.vae, seen, k=1), model)
    assert_close(found.loss, plain.loss + found.terms["off"])
    assert "bound" not in found.terms


def test_what_does_not_go_together_is_refused():
    for estimator in ("score", "enumerate"):
        with refused("estimator", "posterior", match="follows samples along their path"):
            elbo(bits_vae(), BINARY, estimator=estimator, regularizers={"centred": Centred})
    model = wide_ppca()
    with pytest.raises(Incompatible, match=r"objective.regularizers.kl: .* own is called so"):
        elbo(model.vae, model.spec, regularizers={"kl": Centred})
