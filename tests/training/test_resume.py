"""A run that was stopped and resumed is the run that never stopped, bit for bit."""

from __future__ import annotations

import signal

import pytest
import pytorch_lightning as pl
import torch
from rich.console import Console

from tests.fast import first_of
from tests.training.test_system import config
from vaebench.composition import compose
from vaebench.runs.layout import LAST, PREVIOUS
from vaebench.training import History, Identity, blocks, build_system, build_trainer, fit
from vaebench.training.checkpoints import Stopped, newest_good, step_of
from vaebench.training.system import COUNTS

EPOCHS, STEPS = 3, 36  # 12 steps an epoch
RUN = ("model=iwae", f"trainer.max_epochs={EPOCHS}", "trainer.log_every=5", "checkpoint.every=1")
RUN += ("trainer.average=0.9",)
RARELY = (*RUN, "checkpoint.every=8", "trainer.log_every=6")
"""Blocks of up to six steps, at whose end there is not always a checkpoint."""
BEHIND = (
    *("dataset.split.val=1400", "dataset.split.test=300", "dataset.binarize=static"),
    *("trainer.batch_size=33", "trainer.max_epochs=6", "trainer.log_every=1"),
    *("optimizer.lr=0.03", "schedule=plateau", "schedule.patience=2"),
)
"""Too fast a rate for 97 examples in 3 steps an epoch: the first validation stays the best one, and
the rate falls at the third and at the fifth. Checkpoints are those at each epoch's end alone."""


class Crash(pl.Callback):
    """Dies after a step, before or after that step's checkpoint alike."""

    def __init__(self, step):
        self.step = step

    def on_train_batch_start(self, trainer, *args):
        if trainer.global_step == self.step:
            raise RuntimeError("killed")


class Killed:
    """The step of a system that dies in the midst of a block, before a step or asked to stop in it."""

    def __init__(self, step, at, number=None):
        self.step, self.at, self.number = step, at, number

    def __call__(self, batch, number):
        if int(number) == self.at:
            if self.number is None:
                raise RuntimeError("killed")
            signal.raise_signal(self.number)
        return self.step(batch, number)


def run(folder, *, overrides=RUN, crash=None, killed=(), resume=False):
    """One run, or its continuation, in a folder."""
    cfg = config(*overrides, "trainer=cpu")
    torch.randn(3)  # a new process stands elsewhere in its own noise
    system = build_system(cfg, compose(cfg))
    history = History(folder, Identity("test"))
    checkpoint, _ = newest_good(folder)
    if resume:
        history.file.rewind(step_of(checkpoint))
    trainer = build_trainer(cfg, system, folder, Console(quiet=True))
    trainer.loggers = [history]
    if killed:
        system.step = Killed(system.step, *killed)
    if crash is not None:
        trainer.callbacks.insert(0, Crash(crash))
    fit(cfg, system, trainer, checkpoint if resume else None)
    return system


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    system = run(folder)
    return dict(system.model.state_dict()), (folder / "metrics.csv").read_text(), system.latest


@pytest.mark.parametrize("crash", first_of([13, 1, 5, 11, 12, 23, 24, 30, 35]))
def test_a_resumed_run_equals_one_never_stopped(tmp_path, undisturbed, crash):
    weights, history, metrics = undisturbed
    with pytest.raises(RuntimeError, match="killed"):
        run(tmp_path, crash=crash)
    assert step_of(tmp_path / LAST) == crash
    system = run(tmp_path, resume=True)
    assert (tmp_path / "metrics.csv").read_text() == history
    assert system.latest == metrics
    for name, value in system.model.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_so_does_one_whose_objective_learns_by_itself(tmp_path):
    """A discriminator of permuted codes: its weights, its optimizer's, and the permutations."""
    of = (*RUN, "model=factor_vae", "trainer.max_epochs=1", "trainer.average=0")
    folders = tmp_path / "whole", tmp_path / "stopped"
    for folder in folders:
        folder.mkdir()
    whole = run(folders[0], overrides=of)
    with pytest.raises(RuntimeError, match="killed"):
        run(folders[1], overrides=of, crash=7)
    resumed = run(folders[1], overrides=of, resume=True)
    history = [(folder / "metrics.csv").read_text() for folder in folders]
    assert history[0] == history[1]
    assert "train/discriminator" in history[0]
    assert resumed.latest == whole.latest
    weights = dict(whole.state_dict())
    assert any("discriminator" in name for name in weights)
    for name, value in resumed.state_dict().items():
        assert torch.equal(value, weights[name]), name


NOISY = [
    "weights=local_gaussian weight_prior=scale_mixture",
    "weights=dropout",
    "weights=dropout_a weights.learned=unit",
    "weights=dropout_b weights.estimator=shared weights.kl=cubic",
]
"""Noise at each call of a layer, in the price of weights, or once a step."""


@pytest.mark.parametrize("weights", first_of(NOISY))
def test_a_resumed_run_draws_the_weights_that_one_never_stopped_does(tmp_path, weights):
    overrides = (*RUN, "model=vae", "trainer.max_epochs=1", *weights.split())
    once = run(tmp_path / "once", overrides=overrides)
    with pytest.raises(RuntimeError, match="killed"):
        run(tmp_path / "twice", overrides=overrides, crash=5)
    twice = run(tmp_path / "twice", overrides=overrides, resume=True)
    assert twice.latest == once.latest
    for name, value in twice.model.state_dict().items():
        assert torch.equal(value, once.model.state_dict()[name]), name


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run in blocks of one, never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    system = run(folder, overrides=(*RARELY, "trainer.block=1"))
    return system.model.state_dict(), (folder / "metrics.csv").read_text()


@pytest.mark.parametrize("gathers", [False, True])
@pytest.mark.parametrize("block", ["1", "4", "7", "auto"])
@pytest.mark.parametrize(
    ("at", "asked"), first_of([(9, None), (14, signal.SIGTERM), (22, signal.SIGTERM)])
)
def test_a_run_that_ends_in_the_midst_of_a_block_goes_on_from_its_checkpoint(
    tmp_path, whole, monkeypatch, at, asked, block, gathers
):
    """Killed before the tenth step, the last checkpoint is the eighth's; asked to stop in a step, that
    step's; in an epoch's last, the epoch's."""
    monkeypatch.setattr(blocks, "waits", lambda device: gathers)
    overrides = (*RARELY, f"trainer.block={block}")
    with pytest.raises((RuntimeError, Stopped)):
        run(tmp_path, overrides=overrides, killed=(at, asked))
    assert step_of(tmp_path / LAST) == (at + 1 if asked else 8)
    system = run(tmp_path, overrides=overrides, resume=True)
    weights, history = whole
    assert (tmp_path / "metrics.csv").read_text() == history
    for name, value in system.model.state_dict().items():
        assert torch.equal(value, weights[name]), name


@pytest.mark.parametrize("measure", ["terms.Terms", "likelihood.ImportanceSampling"])
def test_a_run_that_dies_in_its_test_is_tested_again(tmp_path, undisturbed, monkeypatch, measure):
    weights, history, metrics = undisturbed

    def die(*args):
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(f"vaebench.measures.{measure}.numbers", die)
        with pytest.raises(RuntimeError, match="killed"):
            run(tmp_path)
    assert (tmp_path / "metrics.csv").read_text() != history
    system = run(tmp_path, resume=True)
    assert (tmp_path / "metrics.csv").read_text() == history
    assert system.latest == metrics
    for name, value in system.model.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_a_checkpoint_whose_steps_lightning_took_goes_on_where_it_was(tmp_path, undisturbed):
    """Before there were blocks it counted them elsewhere."""
    weights, history, _ = undisturbed
    with pytest.raises(RuntimeError, match="killed"):
        run(tmp_path, crash=17)
    checkpoint = torch.load(tmp_path / LAST, weights_only=True)
    counts = checkpoint["loops"]["fit_loop"][COUNTS]["total"]
    assert counts["completed"] == 17
    counts["ready"] = counts["completed"] = 0
    torch.save(checkpoint, tmp_path / LAST)
    system = run(tmp_path, resume=True)
    assert (tmp_path / "metrics.csv").read_text() == history
    for name, value in system.model.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_a_corrupt_checkpoint_is_skipped_and_said_so(tmp_path, undisturbed):
    weights, history, _ = undisturbed
    with pytest.raises(RuntimeError, match="killed"):
        run(tmp_path, crash=17)
    last = tmp_path / LAST
    last.write_bytes(last.read_bytes()[:1000])
    checkpoint, complaints = newest_good(tmp_path)
    assert checkpoint == tmp_path / PREVIOUS
    assert step_of(checkpoint) == 16
    assert len(complaints) == 1
    assert "corrupt" in complaints[0]
    system = run(tmp_path, resume=True)
    assert (tmp_path / "metrics.csv").read_text() == history
    for name, value in system.model.state_dict().items():
        assert torch.equal(value, weights[name]), name


# ------------------------------------------------- what a checkpoint must know of the epochs before
def left_behind(folder):
    """What one can see of a run: its history, its best and its last weights, and its rates."""
    best, last = (
        torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)
        for name in ("best", "last")
    )
    return {
        "history": (folder / "metrics.csv").read_text(),
        "best step": best["global_step"],
        "best": best["state_dict"],
        "last": last["state_dict"],
        "schedule": last["callbacks"]["LearningRate"],
        "rate": last["optimizer_states"][0]["param_groups"][0]["lr"],
    }


@pytest.fixture(scope="module")
def overtaken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("overtaken")
    run(folder, overrides=BEHIND)
    return left_behind(folder)


def test_the_best_lies_behind_and_the_rate_falls_twice(overtaken):
    assert overtaken["best step"] == 3
    assert overtaken["schedule"]["now"] == 0.25
    assert overtaken["rate"] == pytest.approx(0.03 * 0.25)


@pytest.mark.parametrize("crash", [7, 14])
def test_a_resumed_run_knows_its_best_its_rate_and_where_its_history_ends(
    tmp_path, overtaken, crash
):
    """Steps after the checkpoint have rows already; validations before it are not repeated."""
    with pytest.raises(RuntimeError, match="killed"):
        run(tmp_path, overrides=BEHIND, crash=crash)
    checkpoint = step_of(tmp_path / LAST)
    rows = (tmp_path / "metrics.csv").read_text().splitlines()
    assert checkpoint == crash - crash % 3 < int(rows[-1].partition(",")[0])
    run(tmp_path, overrides=BEHIND, resume=True)
    found = left_behind(tmp_path)
    for name in ("best", "last"):
        for key, value in overtaken[name].items():
            assert torch.equal(found[name][key], value), (name, key)
    rest = [name for name in found if name not in ("best", "last")]
    assert {name: found[name] for name in rest} == {name: overtaken[name] for name in rest}
