"""Learning-rate schedules, early stopping and clipping, each seen to do what it says."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from hydra.utils import instantiate

from tests.training.test_system import config, trained
from vaebench.composition import compose
from vaebench.errors import Refusal
from vaebench.training.learning_rate import LearningRate
from vaebench.training.schedules import Constant, Cosine, Plateau, Stages


def test_constant_is_one():
    assert Constant().factor(0.0) == Constant().factor(0.99) == 1


def test_cosine_warms_up_and_ends_at_its_final_fraction():
    schedule = Cosine(warmup=0.2, final=0.1)
    assert schedule.factor(0.1) == pytest.approx(0.5)
    assert schedule.factor(0.2) == pytest.approx(1.0)
    assert schedule.factor(0.6) == pytest.approx(0.55)
    assert schedule.factor(1.0) == pytest.approx(0.1)


def test_stages_are_those_of_the_paper_at_its_length():
    """3^i epochs at 10^(-i/7), i = 0..7: 3280 epochs (Burda, Grosse, Salakhutdinov 2016)."""
    schedule = Stages(stages=8)
    rates = [10.0 ** (-i / 7) for i in range(8) for _ in range(3**i)]
    assert len(rates) == 3280
    for within in (0, 0.5):  # an epoch's first step is of its own stage already
        found = [schedule.factor((e + within) / 3280) for e in range(3280)]
        assert found == pytest.approx(rates)
    assert schedule.factor(1.0) == pytest.approx(0.1)


def test_a_plateau_lowers_the_rate_only_after_its_patience():
    schedule = Plateau(factor=0.5, patience=2, smallest=0.2)
    seen = []
    for value in (1, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3):
        schedule.observe(value)
        seen.append(schedule.factor(0.0))
    assert seen == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2]


@pytest.mark.parametrize(
    ("mode", "rates"), [("min", [1, 1, 1, 0.5]), ("max", [1, 0.5, 0.25, 0.25])]
)
def test_a_plateau_of_a_loss_is_where_it_no_longer_falls(mode, rates):
    rate = LearningRate(Plateau(factor=0.5, patience=1, smallest=0.0), "val/loss", mode)
    seen = []
    for value in (3.0, 2.0, 1.0, 4.0):
        rate.on_validation_end(SimpleNamespace(callback_metrics={"val/loss": value}), None)
        seen.append(rate.schedule.factor(0.0))
    assert seen == rates


@pytest.mark.parametrize(
    "make",
    [
        lambda: Cosine(warmup=1.0, final=0.0),
        lambda: Cosine(warmup=0.0, final=1.5),
        lambda: Stages(stages=1),
        lambda: Plateau(factor=1.0, patience=1, smallest=0.0),
        lambda: Plateau(factor=0.5, patience=0, smallest=0.0),
    ],
)
def test_schedules_that_mean_nothing_are_refused(make):
    with pytest.raises(Refusal, match=r"schedule\."):
        make()


def test_the_schedule_reaches_the_optimizer(tmp_path):
    cfg = config("trainer.max_steps=10", "schedule=cosine", "trainer=cpu", "optimizer.lr=0.01")
    _, trainer, _ = trained(tmp_path, cfg)
    done = 9 / 10  # of the run, before the last step
    expected = 0.01 * (1 + math.cos(math.pi * done)) / 2
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(expected)


def test_early_stopping_ends_a_run_that_no_longer_improves(tmp_path):
    few = ("dataset.split.val=1400", "dataset.split.test=300", "dataset.binarize=static")
    cfg = config(*few, "trainer.max_epochs=400", "trainer.patience=5", "optimizer.lr=5e-3")
    _, trainer, _ = trained(tmp_path, cfg)
    best = torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)["epoch"]
    assert trainer.current_epoch == best + 1 + 5


@pytest.mark.parametrize("objective", [(), ("objective=constrained", "objective.limit=1000")])
def test_clipping_bounds_a_groups_gradient(tmp_path, objective):
    """And each group's by itself: a multiplier's steep one leaves the model its whole share."""
    sgd = ("optimizer=sgd", "optimizer.lr=1", "optimizer.momentum=0", "eval.checkpoint=last")
    cfg = config(*sgd, *objective, "trainer.max_steps=1", "trainer.clip_norm=0.01", "trainer=cpu")
    before = list(compose(cfg).model.parameters())
    system, _, _ = trained(tmp_path, cfg)
    after = system.model.parameters()
    moved = torch.stack([(b - a).norm() for a, b in zip(after, before, strict=True)]).norm()
    assert float(moved.detach()) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("name", ["adam", "adamw", "adamax", "rmsprop", "adagrad", "sgd"])
def test_every_optimizer_descends(name):
    cfg = config(f"optimizer={name}", "optimizer.lr=0.01")
    weight = torch.nn.Parameter(torch.tensor([3.0]))
    optimizer = instantiate(cfg.optimizer)([{"params": [weight]}])
    for _ in range(50):
        optimizer.zero_grad()
        (weight**2).sum().backward()
        optimizer.step()
    assert 0 < float(weight.detach()) < 3
