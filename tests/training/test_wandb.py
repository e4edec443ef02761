"""Weights & Biases starts beside the first steps: nothing is lost, nothing comes in another order."""

from __future__ import annotations

import re
import threading

import pytest
import wandb

from vaebench.errors import Refusal, RunFailed
from vaebench.training import Identity, Wandb


class Run:
    """Stands in for wandb's: keeps what it is told."""

    def __init__(self, told):
        self.told, self.config, self.summary = told, self, self

    def log(self, metrics):
        self.told.append(metrics)

    def update(self, values, **_):
        self.told.append(values)


class Service:
    """Stands in for wandb: starts when it is let, or not at all in the modes of `fails`."""

    def __init__(self, *fails):
        self.told, self.fails, self.modes, self.gate = [], fails, [], threading.Event()

    def init(self, *, mode, **_):
        self.gate.wait(30)
        self.modes.append(mode)
        if mode in self.fails:
            raise RuntimeError("no\nroom")
        return Run(self.told)

    def finish(self):
        self.told.append("finished")


@pytest.fixture
def start(tmp_path, monkeypatch):
    """A logger whose wandb is made up, and that."""

    def begin(*fails, mode="offline", begun=False):
        service = Service(*fails)
        monkeypatch.setattr(wandb, "init", service.init)
        monkeypatch.setattr(wandb, "finish", service.finish)
        if begun:
            service.gate.set()
        return Wandb(tmp_path, Identity("test"), project="test", mode=mode), service

    return begin


def steps(told):
    return [entry["trainer/global_step"] for entry in told if "trainer/global_step" in entry]


def test_what_is_logged_before_it_has_started_is_told_in_order(start):
    logger, service = start()
    logger.log_hyperparams({"k": 1})
    for step in (1, 2):
        logger.log_metrics({"train/loss": 0.5}, step)
    assert (service.told, logger.experiment) == ([], None)
    service.gate.set()
    logger.contact.started()
    logger.log_metrics({"train/loss": 0.5}, 3)
    logger.conclude({"test/nll": 1.0})
    assert service.told[0] == {"k": 1}
    assert steps(service.told[1:]) == [1, 2, 3]
    assert service.told[-1] == {"test/nll": 1.0}


def test_a_run_that_nobody_named_has_an_id_of_eight_digits_and_keeps_it(start, monkeypatch):
    monkeypatch.delenv("WANDB_RUN_ID", raising=False)
    logger, _ = start(begun=True)
    logger.log_hyperparams({})
    kept = logger.id_file.read_text()
    assert re.fullmatch("[0-9a-f]{8}", kept)
    again, _ = start(begun=True)
    again.log_hyperparams({})
    assert again.id_file.read_text() == kept


def test_metrics_are_those_of_the_moment_at_which_they_were_logged(start):
    logger, service = start()
    metrics = {"train/loss": 0.5}
    logger.log_metrics(metrics, 1)
    metrics["train/loss"] = 9.0
    service.gate.set()
    logger.started()
    assert service.told[0]["train/loss"] == 0.5


def test_a_run_that_ends_before_it_has_started_loses_nothing(start):
    logger, service = start()
    logger.log_metrics({"train/loss": 0.5}, 1)
    threading.Timer(0.1, service.gate.set).start()
    logger.finish()
    assert steps(service.told[:1]) == [1]
    assert service.told[1:] == ["finished"]


def test_where_it_cannot_start_the_next_word_to_it_says_so_in_a_line(start):
    logger, service = start("offline", begun=True)
    with pytest.raises(RunFailed, match=r"^logger=wandb cannot start \(no room\); try logger=csv$"):
        logger.conclude({"test/nll": 1.0})
    with pytest.raises(RunFailed):
        logger.log_metrics({"train/loss": 0.5}, 1)
    with pytest.raises(RunFailed):
        logger.finish()
    assert service.told == ["finished"]  # or the next job of a grid would write into this run


def test_online_it_is_refused_before_anything_is_trained(start):
    with pytest.raises(Refusal, match=r"^logger=wandb cannot start \(no room\); try logger=csv$"):
        start("online", mode="online", begun=True)


def test_with_an_account_and_no_network_it_goes_on_offline(start, monkeypatch):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setattr("vaebench.training.loggers.mode_by_account", lambda: "online")
    logger, service = start("online", mode="auto", begun=True)
    logger.conclude({"test/nll": 1.0})
    assert service.modes == ["online", "offline"]
    assert service.told == [{"test/nll": 1.0}]


def test_the_id_of_a_run_is_left_for_whoever_resumes_it(start, tmp_path):
    logger, service = start()
    logger.log_hyperparams({})
    known = (tmp_path / "wandb" / "run_id").read_text()
    assert known == logger.version
    again, other = start()
    assert again.version == known
    service.gate.set()
    other.gate.set()
