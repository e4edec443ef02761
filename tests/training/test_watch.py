"""Steps that are not finite: found before they do harm, named, and undone where asked for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console
from torch.testing import assert_close

from tests.fast import first_of
from tests.training.test_system import config
from vaebench.composition import compose
from vaebench.training import Diverged, blocks, build_system, build_trainer, fit
from vaebench.training.checkpoints import step_of
from vaebench.training.diagnosis import _backward
from vaebench.training.watch import LIMIT, Collapse

STEPS = 24  # two epochs of digits


@pytest.fixture(autouse=True, params=["each step", "each block"])
def looked_at(request, monkeypatch):
    """As on a CPU, and as on an accelerator."""
    monkeypatch.setattr(blocks, "waits", lambda device: request.param == "each block")


class Spoilt:
    """The step of a system, with a fault at some of a run's steps."""

    def __init__(self, system, faulty, fault):
        self.system, self.faulty, self.fault, self.step = system, set(faulty), fault, system.step

    def __call__(self, batch, number):
        if int(number) + 1 in self.faulty:
            return self.fault(self, batch, number)
        return self.step(batch, number)


def nan_loss(spoilt, batch, number):
    loss, *rest = spoilt.step(batch, number)
    return loss * torch.nan, *rest


def nan_gradient(spoilt, batch, number):
    loss, *rest = spoilt.step(batch, number)
    first = next(spoilt.system.model.parameters())
    return loss + (first.sum() * 0).sqrt(), *rest  # d sqrt(0) = inf, times 0


def fitted(folder, *overrides, faulty=(), fault=nan_loss, resume_from=None):
    cfg = config("trainer.max_epochs=2", "trainer=cpu", "eval.checkpoint=last", *overrides)
    system = build_system(cfg, compose(cfg))
    system.step = Spoilt(system, faulty, fault)
    trainer = build_trainer(cfg, system, folder, Console(quiet=True))
    fit(cfg, system, trainer, resume_from)
    return system


def last_checkpoint(folder: Path):
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def last_weights(folder: Path):
    return last_checkpoint(folder)["state_dict"]


def assert_same_optimizer(found, expected):
    """Moments and counts of steps, and what the groups hold but for the step's own rate."""
    assert_close(found["state"], expected["state"], rtol=0, atol=0)
    for mine, theirs in zip(found["param_groups"], expected["param_groups"], strict=True):
        assert mine | {"lr": None} == theirs | {"lr": None}


@pytest.mark.parametrize("fault", [nan_loss, nan_gradient])
def test_a_bad_step_ends_the_run_before_it_touches_the_weights(tmp_path, fault):
    with pytest.raises(Diverged, match="step 14"):
        fitted(tmp_path, faulty=[14], fault=fault)
    assert all(value.isfinite().all() for value in last_weights(tmp_path).values())


@pytest.mark.parametrize("fault", [nan_loss, nan_gradient])
def test_a_skipped_step_leaves_the_weights_where_they_were(tmp_path, fault):
    system = fitted(tmp_path, "trainer.on_nan=skip", faulty=[24], fault=fault)
    # All 23 good steps and not the bad last one: the run that is stopped after 23.
    plain = fitted(tmp_path / "plain", "trainer.max_steps=23")
    for name, value in plain.model.state_dict().items():
        assert torch.equal(system.model.state_dict()[name], value), name
    assert system.undone == 1
    assert system.latest["train/undone"] == 1


def test_a_skipped_step_does_not_enter_the_means(tmp_path):
    system = fitted(tmp_path, "trainer.on_nan=skip", faulty=[3, 4], fault=nan_loss)
    assert torch.tensor(system.latest["train/loss"]).isfinite()
    assert system.undone == 2


def test_rollback_returns_to_the_last_checkpoint(tmp_path):
    # The fault comes at the second epoch's end; the checkpoint is the first epoch's.
    system = fitted(tmp_path, "trainer.on_nan=rollback", faulty=[STEPS])
    plain = fitted(tmp_path / "plain", "trainer.max_epochs=1")
    for name, value in plain.model.state_dict().items():
        assert torch.equal(system.model.state_dict()[name], value), name


def test_rollback_before_the_first_epoch_ends_returns_to_the_start(tmp_path):
    cfg = config()
    torch.manual_seed(cfg.seed)
    start = compose(cfg).model.state_dict()
    system = fitted(
        tmp_path,
        "trainer.on_nan=rollback",
        "trainer.max_epochs=1",
        "trainer.max_steps=5",
        faulty=[5],
    )
    for name, value in start.items():
        assert torch.equal(system.model.state_dict()[name], value), name


def test_rollback_returns_to_the_optimizers_state_of_the_last_checkpoint(tmp_path):
    """Moments and counts of steps; those of the steps between are as undone as the weights."""
    fitted(tmp_path, "trainer.on_nan=rollback", faulty=[STEPS], fault=nan_gradient)
    fitted(tmp_path / "plain", "trainer.max_epochs=1")
    found, plain = (
        last_checkpoint(f)["optimizer_states"][0] for f in (tmp_path, tmp_path / "plain")
    )
    assert {int(state["step"]) for state in plain["state"].values()} == {STEPS // 2}
    assert_same_optimizer(found, plain)


@pytest.mark.parametrize("schedule", first_of(["cosine", "stages", "plateau"]))
@pytest.mark.parametrize("fault", [nan_loss, nan_gradient])
def test_the_schedule_goes_on_after_a_rollback_to_the_start(tmp_path, schedule, fault):
    """Its checkpoint is from before any step: Guard writes it, and LearningRate comes later."""
    line = (f"schedule={schedule}", "trainer.on_nan=rollback")
    system = fitted(tmp_path, *line, faulty=[1, 3], fault=fault)
    plain = fitted(tmp_path / "plain", *line)
    assert system.undone == 2
    assert rates(system) == rates(plain)


@pytest.mark.parametrize("begun", [3, STEPS // 2 + 2])
def test_the_schedule_goes_on_after_a_rollback_of_a_resumed_run(tmp_path, begun):
    """From what it resumed from: Guard's checkpoint of the start, or the first epoch's."""
    line = ("schedule=cosine", "trainer.on_nan=rollback")
    with pytest.raises(MemoryError):
        fitted(tmp_path, *line, faulty=[begun], fault=crash)
    path = tmp_path / "checkpoints" / "last.ckpt"
    done = step_of(path)
    system = fitted(tmp_path, *line, faulty=[done + 1], resume_from=path)
    assert system.undone == 1
    assert rates(system) == rates(fitted(tmp_path / "plain", *line))


def crash(spoilt, batch, number):
    raise MemoryError


def rates(system) -> list[float]:
    """Of the last step."""
    return [group["lr"] for group in system.trainer.optimizers[0].param_groups]


def test_a_run_that_only_skips_gives_up(tmp_path):
    with pytest.raises(Diverged, match=rf"{LIMIT} steps in a row"):
        fitted(tmp_path, "trainer.on_nan=skip", "trainer.max_epochs=20", faulty=range(1, 500))


# --------------------------------------------------------------------------------------- diagnosis
def poisoned(folder, poison, *overrides):
    """A run whose model is tampered with before its first step."""
    cfg = config("trainer.max_epochs=1", "trainer=cpu", *overrides)
    system = build_system(cfg, compose(cfg))
    poison(system.model)
    fit(cfg, system, build_trainer(cfg, system, folder, Console(quiet=True)))


def test_weights_that_are_not_finite_are_named(tmp_path):
    def poison(model):
        with torch.no_grad():
            model.likelihood.net[3].weight[0, 0] = torch.nan

    with pytest.raises(Diverged, match=r"step 1: the weights model\.likelihood\.net\.3\.weight"):
        poisoned(tmp_path, poison)


def test_the_layer_and_the_site_where_it_began_are_named(tmp_path):
    class Overflow(torch.nn.Module):
        def forward(self, x):
            return x * 1e38 * 1e38

    def poison(model):
        model.likelihood.net[2] = Overflow()

    with pytest.raises(Diverged) as caught:
        poisoned(tmp_path, poison)
    text = str(caught.value)
    assert "output of model.likelihood.net.2 (Overflow) is not finite" in text
    assert "log-density of BernoulliLogits of p at site 'x'" in text


def test_a_density_that_blows_up_between_finite_nets_is_named_by_its_site(tmp_path):
    def poison(model):
        with torch.no_grad():
            model.posterior.net[-2].bias[10:] = 200.0  # log σ: σ overflows float32

    with pytest.raises(Diverged, match=r"DiagNormal of q at site 'z' drew a value"):
        poisoned(tmp_path, poison)


def test_a_gradient_that_blows_up_alone_is_named_by_site_and_layer(tmp_path):
    class Kink(torch.nn.Module):
        def forward(self, x):
            return x + (x * 0).abs().sqrt()

    def poison(model):
        model.likelihood.net[4] = torch.nn.Sequential(model.likelihood.net[4], Kink())

    with pytest.raises(Diverged) as caught:
        poisoned(tmp_path, poison)
    assert "gradient of log-density of BernoulliLogits of p at site 'x'" in str(caught.value)
    assert "model.likelihood.net" in str(caught.value)


def test_a_log_density_is_that_of_all_examples_and_overflows_where_their_gradients_do_together():
    weight = torch.nn.Parameter(torch.zeros(()))
    system = SimpleNamespace(model=torch.nn.ParameterDict({"weight": weight}))
    for size, told in (
        (1, ""),
        (4, "of SimpleNamespace of p at site 'x' is not finite at model.weight"),
    ):
        site = SimpleNamespace(name="x", dist=SimpleNamespace(has_density=True))
        site.log_prob = 2e38 * weight.expand(size)  # each finite
        traces = SimpleNamespace(q=SimpleNamespace(sites={}), p=SimpleNamespace(sites={"x": site}))
        assert _backward(traces, system).endswith(told)
        assert bool(_backward(traces, system)) == bool(told)


# ---------------------------------------------------------------------------------------- collapse
class Told:
    """As much of a system and a trainer as the callback looks at."""

    global_step = 7

    def __init__(self, *, q_is_prior):
        self.latest, self.notes = {}, []
        self.model = SimpleNamespace(q_is_prior=q_is_prior)


def warnings(*units, q_is_prior=False):
    told, callback = Told(q_is_prior=q_is_prior), Collapse(Console(quiet=True))
    for active in units:
        told.latest = {} if active is None else {"val/active_units": active}
        callback.on_validation_end(told, told)
    return told.notes


def test_collapse_is_warned_of_once_after_three_validations_in_a_row():
    assert warnings(0, 0) == []
    assert warnings(0, 0, 1, 0, 0) == []
    assert warnings(None, None, None, None) == []
    (note,) = warnings(0, 0, 0, 0, 0, 0)
    assert "posterior collapse" in note


def test_latents_that_are_to_tell_nothing_collapse_without_a_warning():
    assert warnings(0, 0, 0, 0, 0, 0, q_is_prior=True) == []


def test_a_run_that_collapses_says_so(tmp_path):
    cfg = config("trainer.max_epochs=6", "trainer=cpu", "objective.beta=100")
    system = build_system(cfg, compose(cfg))
    fit(cfg, system, build_trainer(cfg, system, tmp_path, Console(quiet=True)))
    assert system.latest["val/active_units"] == 0
    assert len(system.notes) == 1
