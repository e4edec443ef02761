"""A run that was stopped and resumed is the run that never stopped, bit for bit."""

from __future__ import annotations

import pytest
import pytorch_lightning as pl
import torch
from rich.console import Console

from tests.training.test_system import config
from vaebench.compose import compose
from vaebench.training import History, Identity, build_system, build_trainer, fit
from vaebench.training.checkpoints import LAST, PREVIOUS, newest_good, step_of

EPOCHS, STEPS = 3, 36  # 12 steps an epoch
RUN = ("model=iwae", f"trainer.max_epochs={EPOCHS}", "trainer.log_every=5", "checkpoint.every=1")


class Crash(pl.Callback):
    """Dies after a step, before or after that step's checkpoint alike."""

    def __init__(self, step):
        self.step = step

    def on_train_batch_start(self, trainer, *args):
        if trainer.global_step == self.step:
            raise RuntimeError("killed")


def run(folder, *, crash=None, resume=False):
    """One run, or its continuation, in a folder."""
    cfg = config(*RUN, "trainer=cpu")
    torch.randn(3)  # a new process stands elsewhere in its own noise
    system = build_system(cfg, compose(cfg))
    history = History(folder, Identity("test"))
    checkpoint, _ = newest_good(folder)
    if resume:
        history.rewind(step_of(checkpoint))
    trainer = build_trainer(cfg, system, folder, Console(quiet=True))
    trainer.loggers = [history]
    if crash is not None:
        trainer.callbacks.insert(0, Crash(crash))
    fit(cfg, system, trainer, checkpoint if resume else None)
    return system


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    system = run(folder)
    return dict(system.model.state_dict()), (folder / "metrics.csv").read_text(), system.latest


@pytest.mark.parametrize("crash", [1, 5, 11, 12, 13, 23, 24, 30, 35])
def test_a_resumed_run_equals_one_never_stopped(tmp_path, undisturbed, crash):
    weights, history, metrics = undisturbed
    with pytest.raises(RuntimeError, match="killed"):
        run(tmp_path, crash=crash)
    assert step_of(tmp_path / "checkpoints" / LAST) == crash
    system = run(tmp_path, resume=True)
    assert (tmp_path / "metrics.csv").read_text() == history
    assert system.latest == metrics
    for name, value in system.model.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_a_corrupt_checkpoint_is_skipped_and_said_so(tmp_path, undisturbed):
    weights, history, _ = undisturbed
    with pytest.raises(RuntimeError, match="killed"):
        run(tmp_path, crash=17)
    last = tmp_path / "checkpoints" / LAST
    last.write_bytes(last.read_bytes()[:1000])
    checkpoint, complaints = newest_good(tmp_path)
    assert checkpoint == tmp_path / "checkpoints" / PREVIOUS
    assert step_of(checkpoint) == 16
    assert len(complaints) == 1
    assert "corrupt" in complaints[0]
    system = run(tmp_path, resume=True)
    assert (tmp_path / "metrics.csv").read_text() == history
    for name, value in system.model.state_dict().items():
        assert torch.equal(value, weights[name]), name
