"""What a run says of itself while it trains, validates and tests, by the clock."""

from __future__ import annotations

import io

import pytest
import pytorch_lightning as pl
from rich.console import Console

from tests.test_progress import LONGEST, Clock
from tests.training.test_system import config
from vaebench import progress
from vaebench.commands.heartbeat import Heartbeat
from vaebench.composition import compose
from vaebench.training import build_system, build_trainer, fit


class Slow(pl.Callback):
    """Makes every batch take so many seconds, and looks every second as the thread would."""

    def __init__(self, pulse: Heartbeat, clock: Clock, seconds: int) -> None:
        self.pulse, self.clock, self.seconds = pulse, clock, seconds
        self.spoken: list[float] = [clock.now]

    def pass_time(self, *args) -> None:
        for _ in range(self.seconds):
            self.clock.now += 1
            before = len(self.pulse.console.file.getvalue())
            self.pulse.beat()
            if len(self.pulse.console.file.getvalue()) > before:
                self.spoken.append(self.clock.now)

    on_train_batch_start = on_validation_batch_start = pass_time

    def measured(self, items):
        """As a measure goes over its batches."""
        for item in progress.steps(items):
            self.pass_time()
            yield item


@pytest.mark.parametrize("seconds", [4, 45])
def test_a_slow_run_is_heard_of_within_an_epoch_and_while_it_is_evaluated(
    tmp_path, monkeypatch, seconds
):
    clock = Clock()
    monkeypatch.setattr(progress, "clock", clock)
    cfg = config("trainer.max_epochs=1", "trainer.batch_size=20", "trainer=cpu")
    console = Console(file=io.StringIO(), width=200)
    system = build_system(cfg, compose(cfg))
    trainer = build_trainer(cfg, system, tmp_path, console)
    pulse = Heartbeat(console)
    pulse.last = clock.now
    trainer.callbacks.append(slow := Slow(pulse, clock, seconds))
    monkeypatch.setattr("vaebench.measures.base.steps", slow.measured)
    fit(cfg, system, trainer)
    gaps = [b - a for a, b in zip(slow.spoken, slow.spoken[1:], strict=False)]
    assert max(gaps) < LONGEST
    lines = console.file.getvalue().splitlines()
    training = [line for line in lines if line.startswith("  epoch 1 · step ") and "left" in line]
    assert len(training) >= 60 * seconds // LONGEST
    if seconds > LONGEST:
        assert any("validating" in line for line in lines)
        for name in ("terms", "likelihood"):
            assert any(line.startswith(f"  testing · {name} · ") for line in lines)
    assert not progress.under_way()


def test_the_time_left_is_that_of_the_steps_left(tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "clock", clock)
    cfg = config("trainer.max_steps=40", "trainer.batch_size=20", "trainer=cpu")
    console = Console(quiet=True)
    system = build_system(cfg, compose(cfg))
    trainer = build_trainer(cfg, system, tmp_path, console)
    found = []

    class Look(pl.Callback):
        def on_train_batch_end(self, trainer, *args):
            clock.now += 3
            found.append(progress.seconds_left(progress.under_way()))

    trainer.callbacks.append(Look())
    fit(cfg, system, trainer)
    assert found == pytest.approx([3 * (40 - n) for n in range(1, 41)])


def test_a_run_that_fails_is_over(tmp_path):
    cfg = config("trainer.max_epochs=1", "trainer=cpu")
    system = build_system(cfg, compose(cfg))
    trainer = build_trainer(cfg, system, tmp_path, Console(quiet=True))

    class Fail(pl.Callback):
        def on_validation_batch_end(self, *args):
            raise ZeroDivisionError

    trainer.callbacks.append(Fail())
    with pytest.raises(ZeroDivisionError):
        fit(cfg, system, trainer)
    assert not progress.under_way()
