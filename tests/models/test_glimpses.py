"""Classifiers that look through glimpses: their bounds and gradients against sums over all places."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.fast import first_of
from tests.theorems import (
    STEP,
    assert_mean,
    elbo,
    flat_gradient,
    iwae,
    refused,
    scattered,
)
from vaebench.check import check
from vaebench.data import Field, Spec, Support
from vaebench.distributions import GLOBAL
from vaebench.errors import Incompatible
from vaebench.heads.likelihoods import Bernoulli, Label
from vaebench.inference import infer, infer_at_values, log_mean_exp, outline
from vaebench.models import RAM, DRAWClassifier
from vaebench.nets.attention import window
from vaebench.objectives import MaximumLikelihood, baselines

IMAGE = (1, 6, 6)
SPEC = Spec(
    {"x": Field(IMAGE, Support.BINARY, 2), "y": Field((), Support.LABEL, 3)},
    size=100,
)
BATCH = {"x": SPEC.example(3)["x"].double(), "y": torch.tensor([2, 0, 1])}
OPTIONS = {"likelihood": Label, "observed": "y", "conditions": ["x"]}
COPIES, GROUPS = 200, 50


def ram(**options) -> RAM:
    """A small one, which sees something else at each of 9 places, with parameters of any size."""
    options = {"glimpses": 1, "hidden": 4, "read": 2, "scales": 2, "sd": 0.3, "grid": 3} | options
    return scattered(RAM(SPEC, **(OPTIONS | options)), spread=1.0, seed=4)


def reader(**options) -> DRAWClassifier:
    options = {"glimpses": 3, "hidden": 4, "read": 2, "where": "learned"} | options
    return scattered(DRAWClassifier(SPEC, **(OPTIONS | options)), spread=0.3)


def at_each_place(model: RAM, batch=BATCH) -> tuple[Tensor, Tensor]:
    """log p(l | x) and log p(y | x, l) at each of 9 places of one glimpse, `[9, B]`."""
    each = torch.eye(9).unsqueeze(1).expand(-1, len(batch["y"]), -1)
    evidence = infer_at_values(model, batch, {"l1": each})
    return evidence.p["l1"].log_prob, evidence.recon


def learned(outline):
    return scattered(baselines.Learned(outline, hidden=4, decay=0.95), spread=0.7)


def gradients(objective, model) -> Tensor:
    """Estimates of a loss's gradient, `[GROUPS, P]`."""
    batch = {name: value.repeat_interleave(COPIES, 0) for name, value in BATCH.items()}
    losses = (objective(model, batch, STEP).loss for _ in range(GROUPS))
    return torch.stack([flat_gradient(loss, model) for loss in losses])


# ------------------------------------------------------------------- gradients of nine positions
ESTIMATED = {
    "score": partial(elbo, estimator="score", baseline=learned),
    "score, no baseline": partial(elbo, estimator="score", baseline=baselines.Nothing),
    "nvil": partial(elbo, estimator="nvil"),
}


@pytest.mark.parametrize("glimpses", [2, 1])
@pytest.mark.parametrize("estimated", first_of(ESTIMATED.values()), ids=ESTIMATED.keys())
def test_an_estimated_gradient_is_that_of_the_sum_over_nine_positions(estimated, glimpses):
    model = ram(glimpses=glimpses)
    exact = elbo(model, SPEC, estimator="enumerate")(model, BATCH, STEP).loss
    assert_mean(gradients(estimated(model, SPEC), model), flat_gradient(exact, model))


def test_the_sum_over_positions_is_the_mean_log_likelihood_under_the_policy():
    model = ram()
    log_p, told = at_each_place(model)
    found = elbo(model, SPEC, estimator="enumerate")(model, BATCH, STEP).loss
    assert_close(found, -(log_p.exp() * told).sum(0).mean())
    assert_close(log_p.exp().sum(0), torch.ones(3))


def test_vimco_has_the_gradient_of_the_two_sample_bound():
    model = ram()
    exact = iwae(model, SPEC, k=2, estimator="enumerate")(model, BATCH, STEP).loss
    estimated = iwae(model, SPEC, k=2, estimator="vimco")
    assert_mean(gradients(estimated, model), flat_gradient(exact, model))


def test_with_the_right_label_as_reward_the_policy_climbs_the_expected_accuracy():
    model = ram()
    log_p, told = at_each_place(model)
    each = torch.eye(9).unsqueeze(1).expand(-1, 3, -1)
    dist = infer_at_values(model, BATCH, {"l1": each}).p["y"].dist
    right = (dist.mean == BATCH["y"]).double()
    policy = log_p.exp()
    wanted = (policy * right + policy.detach() * told).sum(0).mean()
    assert 0 < right.mean() < 1
    objective = elbo(model, SPEC, estimator="score", reward="right", baseline=learned)
    assert_mean(gradients(objective, model), -flat_gradient(wanted, model))


# --------------------------------------------------------------------------------------- bounds
def expected_bound(told: Tensor, log_p: Tensor, k: int) -> Tensor:
    """E log 1/k Σ p(y | x, l_i) over all k places, `[B]`."""
    tuples = torch.cartesian_prod(*[torch.arange(9)] * k).view(-1, k).T
    return (log_p[tuples].sum(0).exp() * log_mean_exp(told[tuples])).sum(0)


def test_the_bound_tightens_in_k_and_stays_below_log_p():
    log_p, told = at_each_place(ram())
    exact = (log_p + told).logsumexp(0)
    bounds = torch.stack([expected_bound(told, log_p, k) for k in (1, 2, 3, 4, 5)])
    assert (bounds.diff(dim=0) > 1e-5).all()
    assert (bounds[-1] < exact).all()


def test_iwae_of_five_samples_is_the_five_sample_bound():
    model = ram()
    log_p, told = at_each_place(model)
    batch = {name: value.repeat_interleave(4000, 0) for name, value in BATCH.items()}
    objective = iwae(model, SPEC, k=5, estimator="vimco")
    found = objective(model, batch, STEP).terms["bound"].view(3, -1).T
    assert_mean(found, expected_bound(told, log_p, 5))


@pytest.mark.parametrize("grid", [0, 3])
def test_the_weight_of_a_sample_is_what_it_tells_of_the_label(grid):
    evidence = infer(ram(grid=grid, glimpses=3), BATCH, 5)
    assert_close(evidence.log_w, evidence.recon)
    assert evidence.log_w.std() > 0.01


# ---------------------------------------------------------------------------------- what is read
def untrained(model, objective) -> list[str]:
    """Parameters without a slope, of a batch large enough for every place to matter."""
    batch = SPEC.example(200)
    loss = objective(model, batch, STEP).loss
    named = dict(model.named_parameters())
    found = torch.autograd.grad(loss, [*named.values()], allow_unused=True)
    return [n for n, g in zip(named, found, strict=True) if g is None or not g.abs().sum() > 0]


@pytest.mark.parametrize("grid", [0, 3])
def test_every_parameter_of_hard_attention_gets_a_gradient(grid):
    model = ram(grid=grid, glimpses=3)
    assert untrained(model, elbo(model, SPEC, estimator="score", baseline=learned)) == []


def test_every_parameter_of_the_reader_gets_a_gradient_and_each_of_its_five_numbers():
    model = reader()
    objective = MaximumLikelihood(model, outline(model, SPEC), k=1)
    assert untrained(model, objective) == []
    objective(model, BATCH, STEP).loss.backward()
    assert (model.read.attend.weight.grad.abs().sum(1) > 0).all()
    assert (model.read.attend.bias.grad.abs() > 0).all()


def test_the_reader_is_the_loop_of_its_equations():
    model, x = reader(), BATCH["x"]
    state = tuple(s.expand(3, -1) for s in model.lstm.start)
    for _ in range(3):
        patch = window(model.read.attend(state[0]), 2, IMAGE[1:]).read(x)
        state = model.lstm.cell(patch.flatten(1), state)
    log_p = model.likelihood(state[0]).log_prob(BATCH["y"])
    assert_close(infer(model, BATCH, 1).recon[0], log_p)


def test_a_centred_reader_begins_as_the_same_net_and_stays_in_the_middle():
    torch.manual_seed(0)
    small = OPTIONS | {"glimpses": 3, "hidden": 4, "read": 2}
    free = DRAWClassifier(SPEC, **small, where="learned")
    torch.manual_seed(0)
    fixed = DRAWClassifier(SPEC, **small, where="centre")
    assert_close(free.state_dict(), fixed.state_dict())
    for model, moves in ((free, True), (fixed, False)):
        middles = [grid.means.mean(-1) for _, grid in scattered(model).steps(BATCH)]
        away = torch.stack([(m - 3.5).abs().max() for m in middles[1:]]).max()
        assert (away > 0.1) == moves
    assert not torch.equal(grid_of(fixed, 1).sd, grid_of(fixed, 2).sd)


def grid_of(model, t: int):
    return [grid for _, grid in model.steps(BATCH)][t]


def test_hard_attention_looks_where_it_drew():
    model = ram(grid=0, glimpses=2)
    evidence = infer(model, BATCH, 4)
    places = [evidence.q[name].value for name in ("l1", "l2")]
    again = infer_at_values(model, BATCH, dict(zip(("l1", "l2"), places, strict=True)))
    assert_close(again.recon, evidence.recon)
    moved = infer_at_values(model, BATCH, {"l1": places[0], "l2": places[1] + 50})
    blind = model.retina(BATCH["x"], places[1] + 50)
    assert blind.abs().sum() == 0
    assert (moved.recon - evidence.recon).abs().min() > 0


# ------------------------------------------------------------------------------------- refusals
def test_places_anywhere_have_no_path():
    model = ram(grid=0)
    shown = outline(model, SPEC)
    with pytest.raises(Incompatible, match="needs a path from parameters to samples"):
        check(model, elbo(model, SPEC, estimator="pathwise"), shown)
    check(model, elbo(model, SPEC, estimator="score"), shown)


@pytest.mark.parametrize("make", [ram, reader])
@pytest.mark.parametrize("name", ["glimpses", "hidden", "read"])
def test_of_everything_there_is_one_at_least(make, name):
    with refused(match=f"model.{name}=0: at least 1"):
        make(**{name: 0})


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"scales": 0}, "model.scales=0: at least 1"),
        ({"grid": 1}, "model.grid=1: 0 for places anywhere"),
        ({"sd": 0.0}, "model.sd=0.0: must be positive"),
    ],
)
def test_options_of_places_mean_something(options, match):
    with refused(match=match):
        ram(**options)


@pytest.mark.parametrize("make", [ram, reader])
def test_one_image_is_looked_at(make):
    image = ("model.conditions=[x]",)
    with refused("model", match="its conditions are none", options=image):
        make(conditions=[])
    wide = Spec({**SPEC.fields, "v": Field((4,))}, 100)
    with refused("model", match=r"v has shape \[4\]", options=image):
        type(make())(wide, **(OPTIONS | options_of(make) | {"conditions": ["v"]}))
    with refused("model", match="its conditions are x, v", options=image):
        type(make())(wide, **(OPTIONS | options_of(make) | {"conditions": ["x", "v"]}))


def options_of(make) -> dict:
    small = {"glimpses": 1, "hidden": 2, "read": 2}
    return small | ({"where": "learned"} if make is reader else {"scales": 1, "sd": 0.1, "grid": 0})


def test_a_reward_for_the_label_is_of_models_that_draw_where_they_look():
    model = ram()
    bound = ("estimator.reward=bound",)
    with refused("estimator", "objective", match="gives all samples", options=bound):
        iwae(model, SPEC, k=2, estimator="score", reward="right")
    numbers = Spec({"x": SPEC["x"], "y": Field((2,), Support.BINARY, 2)}, 100)
    other = RAM(numbers, **(OPTIONS | options_of(ram) | {"likelihood": Bernoulli}))
    with refused("estimator", "model", match="observes y", options=bound):
        elbo(other, numbers, estimator="score", reward="right")


def test_noise_alone_decides_where_it_looks():
    model = ram(grid=0, glimpses=2)
    torch.manual_seed(1)
    first = infer(model, BATCH, 3, noise=GLOBAL).q["l2"].value
    torch.manual_seed(1)
    assert_close(infer(model, BATCH, 3, noise=GLOBAL).q["l2"].value, first)
