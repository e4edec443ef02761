"""Baselines: what each one is, that none looks at its own sample, and what they save."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.theorems import (
    BINARY,
    EXAMPLES,
    STEP,
    assert_mean,
    at_every_value,
    bits_vae,
    elbo,
    expected_bound,
    flat_gradient,
    log_q_of,
    refused,
    scattered,
)
from vaebench.errors import Incompatible
from vaebench.inference import infer, outline
from vaebench.objectives import baselines

KINDS = {
    "none": baselines.Nothing,
    "constant": partial(baselines.Constant, value=-3.0),
    "leave_one_out": baselines.LeaveOneOut,
    "running": partial(baselines.Running, decay=0.9),
    "optimal": partial(baselines.Optimal, decay=0.9),
    "learned": partial(baselines.Learned, hidden=4, decay=0.9),
}
WITH_STATE = ("running", "optimal", "learned")
LEAD = (4, 3)


class Asked:
    """A baseline, and the batch it is asked about."""

    def __init__(self, kind: str) -> None:
        self.model, self.batch = bits_vae(), {"x": EXAMPLES}
        self.evidence = infer(self.model, self.batch, LEAD[0], reparam=False)
        self.baseline = KINDS[kind](outline(self.model, BINARY))
        scattered(self.baseline)

    def __call__(self, signal: Tensor) -> Tensor:
        found = self.baseline(signal, self.model, self.batch, self.evidence)
        assert not found.value.requires_grad
        for name, value in found.state.items():
            self.baseline.get_buffer(name).copy_(value)
        return found.value.expand(LEAD)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seen", [0, 2], ids=["first batch", "later"])
def test_no_baseline_depends_on_the_signal_of_its_own_sample(kind, seen):
    """Exactly, at every sample: this is why no baseline biases."""
    asked, signal = Asked(kind), torch.randn(LEAD)
    for _ in range(seen):
        asked(torch.randn(LEAD))
    asked.baseline.eval()
    plain = asked(signal)
    for i, b in torch.cartesian_prod(torch.arange(LEAD[0]), torch.arange(LEAD[1])).tolist():
        other = signal.clone()
        other[i, b] += 100.0
        assert_close(asked(other)[i, b], plain[i, b])


@pytest.mark.parametrize("kind", WITH_STATE)
def test_a_batch_changes_the_baseline_of_the_next_one_not_its_own(kind):
    asked, signal = Asked(kind), torch.randn(LEAD)
    asked(torch.randn(LEAD))
    asked.baseline.eval()
    frozen = asked(signal)
    asked.baseline.train()
    assert_close(asked(signal), frozen)
    assert (asked(signal) - frozen).abs().max() > 0.01


def test_the_mean_of_the_other_samples_is_of_the_same_example():
    signal = torch.randn(LEAD)
    expected = torch.stack([signal[[j for j in range(4) if j != i]].mean(0) for i in range(4)])
    assert_close(Asked("leave_one_out")(signal), expected)


def test_a_running_mean_forgets_by_its_decay():
    asked, means = Asked("running"), [1.0, 5.0, -2.0]
    for mean in means:
        asked(torch.full(LEAD, mean))
    expected = (0.81 * 1 + 0.9 * 5 - 2) / (0.81 + 0.9 + 1)
    assert_close(asked(torch.zeros(LEAD)), torch.full(LEAD, expected))


@pytest.mark.parametrize("kind", WITH_STATE)
def test_a_batch_that_is_no_number_is_as_if_it_had_not_been(kind):
    asked, signal = Asked(kind), torch.randn(LEAD)
    asked(torch.randn(LEAD))
    asked.baseline.eval()
    before = asked(signal)
    asked.baseline.train()
    found = asked.baseline(signal * torch.nan, asked.model, asked.batch, asked.evidence)
    kept = {name.rpartition(".")[0] for name in found.state}
    for name in kept:
        total, weight = (found.state[f"{name}.{part}"] for part in ("total", "weight"))
        now = asked.baseline.get_submodule(name)
        assert_close(total / weight, now.total / now.weight)
    assert kept
    assert_close(
        asked.baseline.eval()(signal, asked.model, asked.batch, None).value.expand(LEAD), before
    )


def test_the_spread_that_a_learned_baseline_works_in_is_the_signals_standard_deviation():
    asked = Asked("learned")
    for mean in (1.0, 5.0) * 100:
        asked(torch.full(LEAD, mean))
    first, last = 0.9 / 1.9, 1 / 1.9  # of the weight, with a decay of .9
    expected = 4 * torch.tensor(first * last).sqrt()
    assert_close(asked.baseline.spread(torch.zeros(LEAD)), expected)


def test_at_the_first_batch_it_is_the_mean_of_the_other_examples():
    signal = torch.randn(LEAD)
    for kind in ("running", "optimal"):
        for b in range(LEAD[1]):
            rest = torch.cat([signal[:, :b], signal[:, b + 1 :]], 1).mean()
            assert_close(Asked(kind)(signal)[0, b], rest)


def test_of_a_single_sample_without_a_past_it_is_zero():
    asked = Asked("running")
    assert asked.baseline(torch.ones(1, 1), asked.model, asked.batch, asked.evidence).value == 0


@pytest.mark.parametrize("decay", [-0.1, 1.1])
@pytest.mark.parametrize("kind", [baselines.Running, baselines.Optimal, baselines.Learned])
def test_a_decay_outside_of_0_and_1_is_refused(kind, decay):
    options = {"hidden": 3} if kind is baselines.Learned else {}
    with pytest.raises(Incompatible, match="must lie in"):
        kind(outline(bits_vae(), BINARY), decay=decay, **options)


def test_comparing_the_samples_of_an_example_needs_two():
    with refused("baseline", match=r"k=1\.$", options=("k=5",)):
        elbo(bits_vae(), BINARY, estimator="score", baseline=baselines.LeaveOneOut)


# --------------------------------------------------------------------------- what a net learns
def trained(steps: int = 400):
    """An objective whose baseline alone was trained, and its model, whose examples are unlike."""
    model = scattered(bits_vae(), seed=3)
    objective = elbo(model, BINARY, estimator="score", baseline=KINDS["learned"])
    optimizer = torch.optim.Adam(objective.groups(), lr=0.03)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, steps)
    for _ in range(steps):
        estimate = objective(model, {"x": EXAMPLES.repeat(200, 1)}, STEP)
        objective.keep(estimate.state)
        optimizer.zero_grad()
        estimate.loss.backward()
        optimizer.step()
        schedule.step()
    return objective.eval(), model


def test_a_learned_baseline_finds_the_mean_signal_of_each_example():
    """To a tenth of their spread: its running mean goes on following the noise of batches."""
    objective, model = trained()
    signal = torch.zeros(1, 3)
    found = objective.estimator.baseline(signal, model, {"x": EXAMPLES}, None).value[0]
    expected = torch.stack([expected_bound(model, x[None]) for x in EXAMPLES]).detach()
    assert (found - expected).abs().max() < 0.1 * expected.std()


def test_its_loss_is_felt_by_its_own_parameters_alone():
    model, batch = bits_vae(), {"x": EXAMPLES.repeat(20, 1)}
    objective, other = (
        elbo(model, BINARY, estimator="score", baseline=KINDS[kind])
        for kind in ("learned", "running")
    )
    torch.manual_seed(2)
    estimate = objective(model, batch, STEP)
    assert flat_gradient(estimate.loss, objective.estimator.baseline).abs().max() > 0.01
    torch.manual_seed(2)
    plain = other(model, batch, STEP)
    # At first its net says 0, so that it is a running mean.
    assert_close(flat_gradient(estimate.loss, model), flat_gradient(plain.loss, model))
    assert_close(estimate.loss, plain.loss)


# ------------------------------------------------------------------ the variance that is left
def of_each(objective, model, x: Tensor, size: int) -> Tensor:
    """The gradient of each of `size` copies of x, with respect to what q's net emits for it."""
    emitted: list[Tensor] = []
    hook = model.posterior.net.register_forward_hook(lambda net, given, out: emitted.append(out))
    estimate = objective(model, {"x": x.expand(size, -1)}, STEP)
    objective.keep(estimate.state)
    hook.remove()
    return size * torch.autograd.grad(estimate.loss, emitted[0])[0]


class Exact:
    """Moments of f and of q's score s = z - q at one example, closed-form KL left out."""

    def __init__(self, model, x: Tensor) -> None:
        evidence = at_every_value(model, x)
        self.probability = log_q_of(evidence)[:, 0].exp().detach()
        self.f = (evidence.recon[:, 0] - evidence.kl()[:, 0]).detach()
        self.score = evidence.q["z"].value[:, 0] - model.posterior(x).mean.detach()

    def mean(self, of_z: Tensor) -> Tensor:
        return self.probability @ of_z

    @property
    def best(self) -> Tensor:
        """E[f s²] / E[s²]."""
        squares = self.score.square().sum(1)
        return self.mean(self.f * squares) / self.mean(squares)

    def variance(self, b: Tensor | float) -> Tensor:
        """Σ over what q's net emits, of (f - b) s."""
        each = (self.f - b).unsqueeze(1) * self.score
        return (self.mean(each.square()) - self.mean(each).square()).sum()


def analytic(model, baseline):
    return elbo(model, BINARY, estimator="score", kl="analytic", baseline=baseline)


def assert_variance(samples: Tensor, expected: Tensor) -> None:
    assert_mean((samples - samples.mean(0)).square().sum(1), expected)


@pytest.mark.parametrize("b", [0.0, -3.0])
def test_the_variance_with_a_constant_is_the_enumerated_one(b):
    model, x = bits_vae(), EXAMPLES[0]
    objective = analytic(model, partial(baselines.Constant, value=b))
    assert_variance(of_each(objective, model, x, 100_000), Exact(model, x).variance(b))


def test_the_optimal_baseline_is_the_enumerated_one_and_so_is_the_variance_it_leaves():
    model, x = bits_vae(), EXAMPLES[0]
    objective, exact = analytic(model, partial(baselines.Optimal, decay=1.0)), Exact(model, x)
    for _ in range(10):
        of_each(objective, model, x, 50_000)
    objective.eval()
    found = objective.estimator.baseline(torch.zeros(1, 1), model, {"x": x[None]}, None).value
    assert_close(found, exact.best.view(1, 1), rtol=0.01, atol=0)
    assert_variance(of_each(objective, model, x, 100_000), exact.variance(exact.best))


def test_no_constant_leaves_less_than_the_optimal_one_and_none_leaves_more():
    model, x = bits_vae(), EXAMPLES[0]
    exact = Exact(model, x)
    least, mean = exact.variance(exact.best), exact.variance(exact.mean(exact.f))
    assert least < mean < exact.variance(0.0)
    assert all(exact.variance(exact.best + d) > least for d in (-0.5, -0.01, 0.01, 0.5))


def test_a_baseline_of_the_data_leaves_less_than_a_constant_on_unlike_examples():
    """Judged by the standard error of a difference of mean squares."""
    objective, model = trained()
    running = elbo(model, BINARY, estimator="score", baseline=KINDS["running"])
    running.keep(running(model, {"x": EXAMPLES.repeat(1000, 1)}, STEP).state)
    size, squares = 60_000, []
    for made in (objective, running.eval()):
        each = [of_each(made, model, x, size) for x in EXAMPLES]
        squares.append(torch.cat([(g - g.mean(0)).square().sum(1) for g in each]))
    error = (sum(s.var() for s in squares) / (3 * size)).sqrt()
    assert (squares[0].mean() - squares[1].mean()) / error < -4.5
