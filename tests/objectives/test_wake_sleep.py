"""Wake-sleep and reweighted wake-sleep: no objective descends, but every gradient has a mean."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from tests.theorems import (
    BINARY,
    COIN,
    EXAMPLES,
    STEP,
    Supplied,
    assert_mean,
    at_every_value,
    belief_net,
    bits,
    bits_vae,
    coin,
    deep_belief_net,
    elbo,
    expected_bound,
    flat_gradient,
    gradient_samples,
    iwae,
    largest_z,
    log_q_of,
    z_scores,
)
from vaebench.data import Field, Spec, Support
from vaebench.distributions import BernoulliLogits
from vaebench.inference import infer, outline
from vaebench.models import RecognitionFirst
from vaebench.objectives import RWS, WakeSleep
from vaebench.objectives.bounds import LogMeanExp
from vaebench.objectives.iwae import tempered

MODELS = [belief_net, deep_belief_net, bits_vae]
every_model = pytest.mark.parametrize("make", MODELS, ids=["two layers", "three layers", "one"])
PHASES = ["wake", "sleep", "both"]
ONE = torch.ones(1, 1, dtype=torch.float64)
"""The coin's x = 1."""
PRINTED = {"rtol": 0, "atol": 5e-7}


def wake_sleep(model, spec=BINARY, **options) -> WakeSleep:
    return WakeSleep(model, outline(model, spec), **({"k": 1} | options))


def rws(model, spec=BINARY, **options) -> RWS:
    return RWS(model, outline(model, spec), **({"k": 2, "phi": "both"} | options))


# ------------------------------------------------------------ expectations, of what goes up in both
def log_p_of(evidence) -> Tensor:
    """log p(x, z), `[k, B]`."""
    return torch.stack([site.log_prob for site in evidence.p.sites.values()]).sum(0)


def followed(model, x: Tensor, k: int, of) -> Tensor:
    """E over k-tuples from q of Σ_i w̃_i `of(z_i)`, weights and tuples held constant."""
    evidence = at_every_value(model, x)
    log_q, log_w = log_q_of(evidence)[:, 0].detach(), evidence.log_w[:, 0].detach()
    tuples = torch.cartesian_prod(*[torch.arange(len(log_q))] * k).view(-1, k).T
    weights = log_w[tuples].softmax(0) * log_q[tuples].sum(0).exp()
    return (weights * of(evidence)[:, 0][tuples]).sum()


def in_the_limit(model, x: Tensor, of) -> Tensor:
    """Σ_z p(z | x) `of(z)`: what k → ∞ follows."""
    evidence = at_every_value(model, x)
    log_p = (log_q_of(evidence) + evidence.log_w)[:, 0].detach()
    return (log_p.softmax(0) * of(evidence)[:, 0]).sum()


def dreamt(model) -> Tensor:
    """Σ_{z, x} p(z, x) log q(z | x), over all images, p held constant."""
    total = torch.zeros(())
    for x in bits(3):
        evidence = at_every_value(model, x)
        total = total + (log_p_of(evidence).detach().exp() * log_q_of(evidence)).sum()
    return total


def averaged(term) -> Tensor:
    """Over the examples."""
    return torch.stack([term(x) for x in EXAMPLES]).mean()


def expected(model, k: int, phi: str) -> Tensor:
    """The gradient of the loss that k samples average to."""
    total = averaged(lambda x: followed(model, x, k, log_p_of))
    if phi != "sleep":
        total = total + averaged(lambda x: followed(model, x, k, log_q_of))
    if phi != "wake":
        total = total + dreamt(model)
    return -flat_gradient(total, model)


# ---------------------------------------------------------------------------------- wake-sleep
@every_model
def test_all_that_p_makes_up_sums_to_one(make):
    """Else the sleep gradient would be no expectation."""
    model = make()
    total = sum(log_p_of(at_every_value(model, x)).exp().sum() for x in bits(3))
    assert_close(total, torch.tensor(1.0))


@every_model
@pytest.mark.parametrize("k", [1, 3])
def test_wake_sleep_follows_its_enumerated_expectation(make, k):
    """θ: E_q ∂ log p(x, z), whatever k; φ: E_p ∂ log q(z | x)."""
    model = make()
    assert_mean(
        gradient_samples(wake_sleep(model, k=k), model, EXAMPLES), expected(model, 1, "sleep")
    )


def test_theta_follows_the_elbo():
    model = belief_net()
    for module in (model.likelihood, model.links, model.prior):
        found = gradient_samples(wake_sleep(model), model, EXAMPLES, of=module)
        assert_mean(found, -flat_gradient(expected_bound(model, EXAMPLES), module))


def test_phi_does_not_follow_the_elbo():
    """KL(p ‖ q) on what p makes up stands for KL(q ‖ p) on the data."""
    model = belief_net()
    found = gradient_samples(wake_sleep(model), model, EXAMPLES, of=model.posterior)
    z = z_scores(found, -flat_gradient(expected_bound(model, EXAMPLES), model.posterior))
    assert z.abs().max() > 3 * largest_z(len(z))


# -------------------------------------------------------------------------- reweighted wake-sleep
@every_model
@pytest.mark.parametrize("phi", PHASES)
def test_two_samples_of_rws_follow_their_enumerated_expectation(make, phi):
    model = make()
    assert_mean(gradient_samples(rws(model, phi=phi), model, EXAMPLES), expected(model, 2, phi))


@pytest.mark.parametrize("k", [1, 3])
def test_rws_of_other_k_follows_its_enumerated_expectation(k):
    model = belief_net(2, 2)
    assert_mean(gradient_samples(rws(model, k=k), model, EXAMPLES), expected(model, k, "both"))


def test_theta_follows_the_importance_weighted_bound():
    model = belief_net(2, 2)
    found = gradient_samples(rws(model, k=3), model, EXAMPLES, of=model.likelihood)
    assert_mean(found, -flat_gradient(expected_bound(model, EXAMPLES, 3), model.likelihood))


SIDES = {"p": (log_p_of, "likelihood"), "q": (log_q_of, "posterior")}
each_side = pytest.mark.parametrize(("of", "part"), SIDES.values(), ids=SIDES.keys())


def limit(model, of, module) -> Tensor:
    return flat_gradient(averaged(lambda x: in_the_limit(model, x, of)), module)


@each_side
def test_the_enumerated_bias_falls_with_k(of, part):
    model = belief_net(2, 1)
    module = getattr(model, part)
    found = torch.stack(
        [
            flat_gradient(averaged(lambda x, k=k: followed(model, x, k, of)), module)
            for k in (1, 2, 3, 4)
        ]
    )
    off = (found - limit(model, of, module)).norm(dim=1)
    assert (off.diff() < 0).all()


@each_side
def test_the_bias_of_two_samples_shows_and_that_of_many_falls(of, part):
    model = belief_net()
    module = getattr(model, part)
    exact, found = -limit(model, of, module), []
    for k in (2, 10, 100):
        objective = rws(model, k=k, phi="wake")
        samples = gradient_samples(objective, model, EXAMPLES, of=module, size=200)
        assert z_scores(samples, exact).abs().max() > 3 * largest_z(len(exact))
        error = (samples.var(0) / len(samples)).sum().sqrt()
        found.append(((samples.mean(0) - exact).norm(), error))
    for (few, a), (many, b) in pairwise(found):
        assert (few - many) / (a**2 + b**2).sqrt() > 4.5


def test_in_the_limit_theta_follows_log_p_itself():
    model = belief_net()

    def log_p(x: Tensor) -> Tensor:
        return log_p_of(at_every_value(model, x)).logsumexp(0)[0]

    for module in (model.likelihood, model.links, model.prior):
        assert_close(limit(model, log_p_of, module), flat_gradient(averaged(log_p), module))


# ---------------------------------------------------------------------- who learns from what
def from_seed(objective, model, module) -> Tensor:
    torch.manual_seed(1)
    return flat_gradient(objective(model, {"x": EXAMPLES}, STEP).loss, module)


def test_theta_has_the_same_gradient_whichever_phases_train_phi():
    model = belief_net()
    for module in (model.likelihood, model.links, model.prior):
        wake, sleep, both = (from_seed(rws(model, phi=phi), model, module) for phi in PHASES)
        assert_close(wake, sleep)
        assert_close(wake, both)


def test_the_phases_of_phi_add_up_and_neither_is_nothing():
    model = belief_net()
    wake, sleep, both = (from_seed(rws(model, phi=phi), model, model.posterior) for phi in PHASES)
    assert_close(wake + sleep, both)
    assert min(wake.abs().max(), sleep.abs().max()) > 0.01


def test_the_wake_gradient_is_that_of_weighted_densities_of_constants():
    model, batch = belief_net(), {"x": EXAMPLES}
    torch.manual_seed(1)
    evidence = infer(model, batch, 2, reparam=False)
    weights = evidence.log_w.detach().softmax(0)
    surrogate = (weights * (log_p_of(evidence) + log_q_of(evidence))).sum(0).mean()
    found = from_seed(rws(model, phi="wake"), model, model)
    assert_close(found, -flat_gradient(surrogate, model))


class Switched(RecognitionFirst):
    """p(x = y) = 1 whatever the fair bit z; q(z | x) leans on x by w, and on x without y by v."""

    spec = Spec({"x": Field((1,), Support.BINARY, 2), "y": Field((1,), Support.BINARY, 2)}, 100)

    def __init__(self):
        super().__init__()
        self.w, self.v = (nn.Parameter(torch.tensor(value)) for value in (1.2, -0.4))

    def recognise(self, q, batch):
        x, y = batch["x"], batch["y"]
        q("z", BernoulliLogits(self.w * x + self.v * x * (1 - y)))

    def generate(self, p, batch):
        p("z", BernoulliLogits(torch.zeros(1)))
        p("x", BernoulliLogits(100 * (batch["y"] - 0.5)))


def test_dreams_are_dreamt_under_the_conditions_of_the_batch():
    """Asleep, x = y, so that w is pulled by E[z - sigmoid(w)] where y = 1, and v by nothing."""
    model = Switched()
    objective, y = WakeSleep(model, outline(model, model.spec), k=1), torch.zeros(300, 1)
    y[:100] = 1.0
    losses = (objective(model, {"x": 1 - y, "y": y}, STEP).loss for _ in range(200))
    slopes = torch.stack([flat_gradient(loss, model) for loss in losses])
    assert_mean(slopes[:, 0], (model.w.sigmoid() - 0.5).item() / 3)
    assert (slopes[:, 1] == 0).all()


# ----------------------------------------------------------------------- with the exact posterior
def test_with_the_exact_posterior_the_enumerated_sleep_gradient_is_zero():
    model = coin(exact=True)
    total = torch.zeros(())
    for x in bits(1):
        evidence = at_every_value(model, x)
        total = total + (log_p_of(evidence).detach().exp() * log_q_of(evidence)).sum()
    assert_close(flat_gradient(total, model.posterior), torch.zeros(2), rtol=0, atol=1e-12)


@pytest.mark.parametrize("exact", [True, False])
def test_the_sampled_sleep_gradient_is_zero_on_average_with_the_exact_posterior_alone(exact):
    model = coin(exact=exact)
    objective = wake_sleep(model, COIN)
    samples = gradient_samples(objective, model, ONE, of=model.posterior)
    assert samples.std(0).min() > 1e-3
    found = z_scores(samples, 0.0).abs().max()
    assert found < largest_z(2) if exact else found > 10


def test_with_the_exact_posterior_weights_are_uniform_and_the_bound_is_log_p():
    model = coin(exact=True)
    evidence = infer(model, {"x": ONE.expand(20, 1)}, 5, reparam=False)
    assert_close(evidence.log_w.softmax(0), torch.full((5, 20), 0.2))
    bound = rws(model, COIN, k=5)(model, {"x": ONE.expand(20, 1)}, STEP).terms["bound"]
    assert_close(bound, torch.full((20,), 0.41).log())


# ------------------------------------------------------ p(h) = .3, p(x | h) = (.2, .9), q = .5
def test_p_of_the_coin_and_its_posterior_are_the_golden_ones():
    log_p = log_p_of(at_every_value(coin(), ONE[0]))[:, 0]
    assert_close(log_p.exp().sum(), torch.tensor(0.41))
    assert_close(log_p.softmax(0)[1], torch.tensor(0.658537), **PRINTED)
    assert_close(coin(exact=True).posterior(ONE).mean[0, 0], torch.tensor(0.658537), **PRINTED)


@pytest.mark.parametrize(
    ("k", "golden"), [(1, -0.944576), (2, -0.918087), (5, -0.901928), (50, -0.892606)]
)
def test_the_bounds_of_the_coin_are_the_golden_ones(k, golden):
    """An example for each number of ones among k samples, with its probability as weight."""
    ones = torch.arange(k + 1)
    u = torch.where(torch.arange(k).unsqueeze(1) < ones, 0.25, 0.75).unsqueeze(2)
    made = iwae(coin(), COIN, k=k, estimator="score").estimator
    batch = {"x": ONE.expand(k + 1, 1)}
    found = made(coin(), batch, k, tempered, LogMeanExp(), Supplied(u))
    probability = torch.tensor([math.comb(k, int(n)) / 2**k for n in ones])
    value = (probability * found.surrogate).sum().detach()
    assert_close(value, torch.tensor(golden), **PRINTED)


@pytest.mark.parametrize(("k", "golden"), [(1, -0.944576), (2, -0.918087), (5, -0.901928)])
def test_the_objectives_report_the_golden_bounds_on_average(k, golden):
    model, batch = coin(), {"x": ONE.expand(40_000, 1)}
    made = [iwae(model, COIN, k=k, estimator="score"), rws(model, COIN, k=k)]
    if k == 1:
        made += [elbo(model, COIN, estimator="nvil"), wake_sleep(model, COIN)]
    for objective in made:
        assert_mean(objective(model, batch, STEP).terms["bound"], golden, 5e-7)


def test_wake_sleep_reports_the_elbo_whatever_k_and_rws_the_tighter_bound():
    model, batch = belief_net(2, 2), {"x": EXAMPLES.repeat(10_000, 1)}
    for make, k in ((wake_sleep, 1), (rws, 2)):
        bound = make(model, k=2)(model, batch, STEP).terms["bound"].view(-1, 3)
        expected = torch.stack([expected_bound(model, x[None], k) for x in EXAMPLES])
        assert_mean(bound, expected.detach())
