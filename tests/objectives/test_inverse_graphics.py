"""Inverse graphics: the gradient rule of clamped latents, exactly."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from tests.theorems import STEP, refused
from vaebench.data import Field, Spec, Support
from vaebench.distributions import DiagNormal, StandardNormal
from vaebench.inference import infer, outline
from vaebench.models import RecognitionFirst
from vaebench.objectives import ELBO, IWAE, InverseGraphics
from vaebench.objectives.anneal import Constant, InverseTemperature, Linear

B, D = 6, 5
LATENTS = {"azimuth": 1, "light": 2}
SPEC = Spec(
    {
        "x": Field((4,)),
        "azimuth": Field((), Support.LABEL, 3),
        "light": Field((), Support.LABEL, 3),
        "who": Field((), Support.LABEL, 9),
    },
    100,
    ("azimuth", "light", "who"),
)

OPTIONS = {"k": 1, "bound": "elbo", "latents": LATENTS, "rule": "clamp", "scale": 0.25}
OPTIONS |= {"kl_of": "all", "beta": 1.0, "anneal": Constant()}


class Free(RecognitionFirst):
    """q of each example has parameters of its own; p is bent, so that nothing cancels."""

    def __init__(self):
        super().__init__()
        self.loc, self.log_scale = (
            nn.Parameter(torch.randn(B, D)),
            nn.Parameter(torch.randn(B, D) / 4),
        )
        self.decoder = nn.Sequential(nn.Linear(D, 7), nn.Tanh(), nn.Linear(7, 4))

    def recognise(self, q, batch):
        n = len(batch["x"])
        q("z", DiagNormal(self.loc[:n], self.log_scale[:n]))

    def generate(self, p, batch):
        z = p("z", StandardNormal(torch.zeros(D)))
        p("x", DiagNormal(self.decoder(z), torch.zeros(4)))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Free()


def made(model, **options):
    return InverseGraphics(model, outline(model, SPEC), **OPTIONS | options)


def batch(varying="azimuth"):
    generator = torch.Generator().manual_seed(1)
    fixed = {name: torch.ones(B, dtype=torch.long) for name in SPEC.fields if name != "x"}
    return fixed | {
        "x": torch.randn(B, 4, generator=generator, dtype=torch.float64),
        varying: torch.tensor([0, 1, 2, 0, 1, 2]),
    }


def estimate(objective, model, data, seed=3):
    torch.manual_seed(seed)
    return objective(model, data, STEP)


def draws(model, data, k=1, seed=3):
    """The same samples again, `[k, B, D]`."""
    torch.manual_seed(seed)
    return infer(model, data, k).q["z"].value.detach()


def by_example(loss, parameter):
    """The gradient of each example's own loss, `[B, D]`."""
    return B * torch.autograd.grad(loss, parameter)[0]


ACTIVE = {"azimuth": [1, 0, 0, 0, 0], "light": [0, 1, 1, 0, 0], "who": [0, 0, 0, 1, 1]}


@pytest.mark.parametrize("varying", ACTIVE)
def test_an_inactive_latents_gradient_is_scale_times_its_distance_from_the_mean(model, varying):
    """Of q's means without the KL: z = μ + σ ε moves as μ does."""
    data, active = batch(varying), torch.tensor(ACTIVE[varying])
    found = by_example(estimate(made(model, beta=0.0), model, data).loss, model.loc)
    z = draws(model, data)[0]
    assert_close(found[:, active == 0], 0.25 * (z - z.mean(0))[:, active == 0])
    assert_close(found.sum(0)[active == 0], torch.zeros(int((active == 0).sum())))


@pytest.mark.parametrize("varying", ACTIVE)
def test_p_sees_means_and_an_active_latents_gradient_is_that_of_its_likelihood(model, varying):
    data, active = batch(varying), torch.tensor(ACTIVE[varying])
    got = estimate(made(model, beta=0.0), model, data)
    z = draws(model, data)[0]
    shown = torch.where(active > 0, z, z.mean(0)).requires_grad_()
    likelihood = DiagNormal(model.decoder(shown), torch.zeros(4)).log_prob(data["x"])
    assert_close(got.loss.detach(), -likelihood.mean().detach())  # the penalty has the value 0
    assert_close(got.terms["recon"], likelihood.detach())
    expected = -torch.autograd.grad(likelihood.sum(), shown)[0]
    found = by_example(got.loss, model.loc)
    assert_close(found[:, active > 0], expected[:, active > 0])
    assert got.terms["active"] == sum(ACTIVE[varying])


def test_the_variance_penalty_has_twice_the_gradient_and_its_own_value(model):
    data, active = batch(), torch.tensor(ACTIVE["azimuth"])
    plain = estimate(elbo(model, beta=0.0), model, data).loss
    got = estimate(made(model, beta=0.0, rule="variance"), model, data).loss
    z = draws(model, data)[0]
    variance = (z.var(0, correction=0) * (1 - active)).sum()
    assert_close((got - plain).detach(), 0.25 * variance)
    penalty = by_example(got - plain, model.loc)
    assert_close(penalty, 2 * 0.25 * (z - z.mean(0)) * (1 - active))


def elbo(model, **options):
    rest = {"k": 1, "beta": 1.0, "anneal": Constant(), "kl": "auto"}
    rest |= {"free_bits": 0.0, "free_bits_per": "site"}
    return ELBO(model, outline(model, SPEC), **rest | options)


@pytest.mark.parametrize(("kl_of", "counts"), [("all", [1] * D), ("active", ACTIVE["light"])])
def test_the_loss_has_the_kl_of_the_latents_that_it_is_to_have(model, kl_of, counts):
    data, objective = batch("light"), made(model, kl_of=kl_of, beta=3.0, scale=0.0)
    got = estimate(objective, model, data)
    kl = (model.loc.square() + (2 * model.log_scale).exp() - 1) / 2 - model.log_scale
    expected = 3 * (kl * torch.tensor(counts)).sum(1)
    assert_close(got.loss.detach(), (-got.terms["recon"] + expected.detach()).mean())
    inactive = torch.tensor(ACTIVE["light"]) == 0
    of_scale = by_example(got.loss, model.log_scale)[:, inactive]
    assert_close(of_scale, by_example(expected.mean(), model.log_scale)[:, inactive])


@pytest.mark.parametrize(("bound", "k"), [("elbo", 1), ("elbo", 3), ("iwae", 4)])
def test_where_all_vary_or_nothing_trains_it_is_the_bound_itself(model, bound, k):
    plain = elbo(model, k=k)
    if bound == "iwae":
        plain = IWAE(model, outline(model, SPEC), k=k, beta=1.0, anneal=Constant())
    objective = made(model, bound=bound, k=k)
    everything = batch() | {name: torch.arange(B) % 3 for name in ("azimuth", "light", "who")}
    for data, training in ((everything, True), (batch(), False)):
        objective.train(training)
        got, expected = (estimate(o, model, data) for o in (objective, plain))
        assert_close(got.loss, expected.loss)
        assert_close(got.terms["bound"], expected.terms["bound"])
        of_both = (by_example(e.loss, model.loc) for e in (got, expected))
        assert_close(*of_both)


def test_importance_weights_meet_the_rule_in_each_sample(model):
    data, active = batch(), torch.tensor(ACTIVE["azimuth"])
    with_rule, without = (
        estimate(made(model, bound="iwae", k=4, scale=scale), model, data).loss
        for scale in (0.25, 0.0)
    )
    z = draws(model, data, 4)
    expected = 0.25 * ((z - z.mean(1, keepdim=True)) * (1 - active)).mean(0)
    assert_close(by_example(with_rule - without, model.loc), expected)
    assert_close(with_rule.detach(), without.detach())


def test_what_it_cannot_be_is_refused(model):
    with refused(match="must not be negative"):
        made(model, scale=-1.0)
    most = ("objective.latents={light:1,who:1}",)
    for latents in ({}, {"hue": 1}, {"azimuth": 0}, {"azimuth": 1, "light": 1, "who": 1}):
        with refused(match="at least one latent of some, not all, of azimuth", options=most):
            made(model, latents=latents)
    with refused(match="gives 5 latents to factors", options=("model.latent_dim=6",)):
        made(model, latents={"azimuth": 5})
    for options in ({"bound": "iwae"}, {"anneal": InverseTemperature(start=0.1, steps=10)}):
        with refused(match="needs a KL in closed form", options=("objective.kl_of=all",)):
            made(model, kl_of="active", **options)
    assert made(model, kl_of="active", anneal=Linear(steps=10)).active_only
    still = Spec(SPEC.fields, 100, ("light", "who"))
    ways = ("dataset.vary={azimuth:1,light:1,who:1}", "dataset.factors=[azimuth,light,who]")
    with refused(match="no batch of the data azimuth varies alone", options=ways):
        InverseGraphics(model, outline(model, still), **OPTIONS)
    bare = Spec({"x": SPEC["x"]}, 100)
    with refused("objective", match="data of several factors"):
        InverseGraphics(model, outline(model, bare), **OPTIONS)
