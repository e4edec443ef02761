"""The one LightningModule, against what a plain loop would do."""

from __future__ import annotations

import csv
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from rich.console import Console

from vaebench.cli import conf_dir
from vaebench.composition import compose
from vaebench.config.schema import register
from vaebench.data import Loader
from vaebench.data.seeds import BINARIZATION, derived
from vaebench.measures.terms import Means
from vaebench.training import History, Identity, build_system, build_trainer, fit, keeper
from vaebench.training.keeper import Best
from vaebench.training.system import whole


def config(*overrides):
    register()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return hydra_compose("config", ["name=test", "eval.k=2", *overrides])


def trained(tmp_path, cfg):
    """A fitted system and its trainer, in a folder of its own."""
    system = build_system(cfg, compose(cfg))
    trainer = build_trainer(cfg, system, tmp_path, Console(quiet=True))
    return system, trainer, fit(cfg, system, trainer)


def test_training_equals_a_plain_loop_bit_for_bit(tmp_path):
    cfg = config("trainer.max_epochs=2", "model=iwae", "eval.checkpoint=last", "trainer=cpu")
    system, _, _ = trained(tmp_path, cfg)

    plain = compose(cfg)
    pl.seed_everything(cfg.seed, verbose=False)
    optimizer = torch.optim.Adam(plain.model.parameters(), lr=1e-3, fused=True)
    train = plain.data.split("train")
    generator = torch.Generator().manual_seed(derived(cfg.seed, BINARIZATION))
    for epoch in range(2):
        loader = Loader(
            train, 100, shuffle=True, seed=cfg.seed, epoch=lambda e=epoch: e, generator=generator
        )
        for batch in loader:
            optimizer.zero_grad()
            plain.objective(plain.model, batch, torch.tensor(0)).loss.backward()
            optimizer.step()
    for mine, theirs in zip(system.model.parameters(), plain.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_validation_leaves_training_alone_and_sees_the_same_noise_each_time(tmp_path):
    cfg = config("trainer.max_epochs=1", "trainer=cpu")
    system, trainer, _ = trained(tmp_path, cfg)
    state = torch.get_rng_state()
    first = trainer.validate(system, verbose=False)
    again = trainer.validate(system, verbose=False)
    assert first == again
    assert torch.equal(state, torch.get_rng_state())


def test_the_best_weights_are_those_of_the_best_validation_bound(tmp_path):
    few = ("dataset.split.val=1400", "dataset.split.test=300", "dataset.binarize=static")
    cfg = config(*few, "trainer.max_epochs=80", "optimizer.lr=5e-3", "trainer=cpu")
    system = build_system(cfg, compose(cfg))
    history = History(tmp_path, Identity("test"))
    trainer = build_trainer(cfg, system, tmp_path, Console(quiet=True))
    trainer.loggers = [history]
    fit(cfg, system, trainer)
    with history.file.path.open() as file:
        rows = [row for row in csv.DictReader(file) if row["val/bound"]]
    best = max(rows, key=lambda row: float(row["val/bound"]))
    saved = torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)
    assert saved["global_step"] == int(best["step"])
    assert best is not rows[-1], "the last epoch was the best: the test shows nothing"


@pytest.mark.parametrize(("mode", "written"), [("min", [2.0, 1.0]), ("max", [2.0, 3.0])])
def test_the_best_of_a_loss_is_its_smallest(tmp_path, monkeypatch, mode, written):
    best, seen = Best(tmp_path, "val/loss", mode), []
    monkeypatch.setattr(keeper, "write", lambda trainer, path: seen.append(trainer))
    for value in (2.0, 3.0, 1.0, 2.5):
        trainer = SimpleNamespace(callback_metrics={"val/loss": value})
        best.on_validation_end(trainer, None)
    assert [trainer.callback_metrics["val/loss"] for trainer in seen] == written


def test_a_checkpoint_that_waits_stays_as_it_was():
    weight, counts = torch.ones(3), {"step": torch.zeros(()), "seen": [1, {2}]}
    held = keeper.kept({"weight": weight, "counts": counts})
    weight += 1
    counts["step"] += 1
    counts["seen"][1].add(3)
    assert held["weight"].tolist() == [1, 1, 1]
    assert held["counts"] == {"step": torch.zeros(()), "seen": [1, {2}]}


def test_a_slice_is_saved_without_the_rest_of_its_stack():
    stack = torch.arange(1000.0).view(10, 100)
    saved = whole({"state": [{0: stack[3], "lr": 1.0}]})["state"][0]
    assert saved["lr"] == 1.0
    assert torch.equal(saved[0], stack[3])
    assert saved[0].untyped_storage().nbytes() == 400


def test_a_mean_over_batches_is_that_over_their_examples():
    means, values = Means(), torch.randn(7)
    for part in values.split([4, 2, 1]):
        means.add({"bound": part}, len(part))
    assert means.read()["bound"] == pytest.approx(values.mean().item(), rel=1e-5)
    means.add({"bound": values}, len(values))  # a fresh start
    assert means.read() == {"bound": pytest.approx(values.mean().item(), rel=1e-5)}


def test_a_stop_within_an_epoch_still_validates_the_last_weights(tmp_path):
    cfg = config("trainer.max_steps=3", "trainer=cpu")
    system, _, result = trained(tmp_path, cfg)
    assert system.validated == 3
    assert "val/bound" in result.metrics
    assert torch.load(tmp_path / "checkpoints/best.ckpt", weights_only=True)["global_step"] == 3


def test_history_gives_a_late_metric_its_column_and_merges_a_step(tmp_path):
    history = History(tmp_path, Identity("test"))
    history.log_metrics({"train/loss": 1.0, "epoch": 0}, 1)
    history.log_metrics({"train/loss": 2.0}, 2)
    history.log_metrics({"val/loss": 3.0}, 2)
    history.log_metrics({"val/loss": 4.0}, 3)
    assert history.file.path.read_text().split() == [
        "step,train/loss,val/loss",
        "1,1.0,",
        "2,2.0,3.0",
        "3,,4.0",
    ]


@pytest.mark.parametrize("group", ["trainer", "optimizer", "logger"])
def test_groups_that_only_serve_training_leave_the_composition_alone(group):
    default = [p.clone() for p in compose(config()).model.parameters()]
    other = {"trainer": "trainer=cpu", "optimizer": "optimizer.lr=1", "logger": "logger=none"}
    for a, b in zip(default, compose(config(other[group])).model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_run_begins_with_the_weights_of_its_seed_whatever_was_drawn_before():
    first, again, other = (
        torch.cat([p.flatten() for p in compose(config(f"seed={seed}")).model.parameters()])
        for seed in (5, 5, 6)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_annealing_of_no_steps_is_none_and_goes_with_what_has_nothing_to_anneal():
    """In a grid of `anneal.steps=0,100` the runs without are to run."""
    cfg = config("objective=reconstruction", "anneal=linear", "anneal.steps=0")
    assert compose(cfg).report.quantity
