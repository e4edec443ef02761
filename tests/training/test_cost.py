"""What `check` says that a step takes."""

from __future__ import annotations

import pytest
import torch

from tests.training.test_system import config
from vaebench.composition import compose
from vaebench.data import Loader
from vaebench.inference import batch_size
from vaebench.objectives.pure import Step
from vaebench.training import cost
from vaebench.training.cost import Live, cost_of_step

MEGABYTE = 250_000  # floats


def composed(*overrides):
    cfg = config("trainer=cpu", *overrides)
    return compose(cfg)


def test_the_peak_is_that_of_what_lives_at_the_same_time():
    with Live() as live:
        a = torch.zeros(MEGABYTE)
        b = a + 1
        assert live.now == 2e6
        del a
        assert live.now == 1e6
        c = b.view(-1, 2).mul_(2)  # neither a view nor a change in place takes anything
        d = torch.cat([c, c])
        assert (live.now, live.peak) == (3e6, 3e6)
        del b, c, d
    assert (live.now, live.peak) == (0, 3e6)


def test_a_backward_pass_counts_what_it_makes():
    x = torch.zeros(MEGABYTE, requires_grad=True)
    with Live() as live:
        (x.exp() * 2).sum().backward()
    assert live.peak >= 2e6  # what exp keeps, and a gradient
    assert live.now == 1e6  # the gradient of x


@pytest.mark.parametrize("fixed", [0.0, 0.01, 0.2])
@pytest.mark.parametrize("each", [1e-4, 1e-2, 0.5])
def test_a_dear_step_is_judged_by_a_part_of_its_batch(monkeypatch, fixed, each):
    composition, spent = composed(), []

    def seconds(step, batch):
        spent.append(fixed + each * batch_size(batch))
        return spent[-1]

    monkeypatch.setattr(cost, "_seconds", seconds)
    found = cost_of_step(composition, 100, torch.device("cpu"))
    assert found.seconds == pytest.approx(fixed + 100 * each)
    assert sum(spent) < 7  # of up to 50


@pytest.mark.parametrize("overrides", [[], ["model=iwae", "k=20"], ["nets=conv"]])
def test_memory_is_that_of_the_whole_batch_whatever_part_is_tried(overrides):
    made = composed(*overrides)
    step = Step(made.model, made.objective)
    batch = next(iter(Loader(made.data.split("train"), 100, shuffle=True)))
    whole = cost._memory(step, batch, 1)
    few = cost._memory(step, {name: x[:20] for name, x in batch.items()}, 5)
    assert few == pytest.approx(whole, rel=0.5)


def test_memory_grows_with_the_samples():
    one, many = (
        cost_of_step(composed("model=iwae", f"k={k}"), 100, torch.device("cpu")).memory
        for k in (10, 100)
    )
    assert 4 < many / one < 10


def test_a_trial_leaves_the_noise_where_it_was():
    made, before = composed(), torch.get_rng_state()
    cost_of_step(made, 100, torch.device("cpu"))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(p.grad is None for p in made.model.parameters())
