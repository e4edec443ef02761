"""When the steps of a history were taken."""

from __future__ import annotations

import pytest

from vaebench.runs import clock
from vaebench.runs.clock import HEADER, ClockFile, read_clock


@pytest.fixture
def at(monkeypatch):
    """Sets the time."""
    now = [100.0]
    monkeypatch.setattr(clock.time, "monotonic", lambda: now[0])
    return lambda seconds: now.__setitem__(0, 100.0 + seconds)


def test_a_row_a_step_with_seconds_epochs_and_all_that_are_to_be(tmp_path, at):
    file = ClockFile(tmp_path / "clock.csv")
    file.begin(steps=40, batches=10)
    for step, seconds in ((5, 1.0), (5, 1.5), (20, 4.0)):
        at(seconds)
        file.tick(step)
    found = read_clock(tmp_path / "clock.csv")
    assert found["step"].tolist() == [5, 20]
    assert found["seconds"].tolist() == [1, 4]
    assert found["epoch"].tolist() == [0.5, 2]
    assert found["of"].tolist() == [40, 40]


def test_what_precedes_training_has_no_time(tmp_path):
    ClockFile(tmp_path / "clock.csv").tick(0)
    assert read_clock(tmp_path / "clock.csv") == {}


def test_a_run_goes_on_from_the_seconds_that_it_had_taken(tmp_path, at):
    path = tmp_path / "clock.csv"
    path.write_text(f"{HEADER}\n10,3.000,1,40\n20,6.000,2,40\n30,9.0")  # killed as it wrote
    file = ClockFile(path)
    file.rewind(10)
    file.begin(steps=40, batches=10)
    at(2.5)
    file.tick(20)
    assert path.read_text() == f"{HEADER}\n10,3.000,1,40\n20,5.500,2,40\n"


def test_half_a_row_is_none(tmp_path):
    (tmp_path / "clock.csv").write_text(f"{HEADER}\n10,3.000,1,40\n20,6.0")
    assert read_clock(tmp_path / "clock.csv")["step"].tolist() == [10]
    (tmp_path / "clock.csv").write_text("step,seco")
    assert read_clock(tmp_path / "clock.csv") == {}
