"""How far work is, how long it may still take, and that people hear of it every 30 seconds."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from vaebench import progress
from vaebench.commands import heartbeat
from vaebench.commands.heartbeat import Heartbeat
from vaebench.commands.pace import Pace
from vaebench.progress import Loop, doing, duration, fraction, seconds_left, steps, under_way
from vaebench.runs.grid import Cell

LONGEST = 30


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "clock", clock)
    return clock


def silent() -> Console:
    return Console(file=io.StringIO(), width=80)


def test_nested_loops_are_as_far_as_the_one_loop_that_they_make():
    for i in steps(range(3)):
        for j in steps(range(4)):
            for k in steps(range(5)):
                assert fraction(under_way()) == pytest.approx((20 * i + 5 * j + k) / 60)
    assert not under_way()


def test_time_left_is_exact_at_a_constant_pace(clock):
    for i in steps(range(10)):
        for j in steps(range(10)):
            done = 10 * i + j
            assert seconds_left(under_way()) == (pytest.approx(7 * (100 - done)) if done else None)
            clock.now += 7


def test_work_done_before_a_resume_says_nothing_of_the_pace(clock):
    with doing(Loop("training", total=100, done=60)) as loop:
        clock.now += 50
        loop.done = 70
        assert seconds_left(under_way()) == pytest.approx(150)


@pytest.mark.parametrize("seconds", [0, 59, 99, 100, 3600, 5969, 5971, 86400])
def test_a_duration_is_true_to_its_last_figure(seconds):
    number, unit = duration(seconds).split()
    worth = {"s": 1, "min": 60, "h": 3600}[unit]
    assert float(number) * worth == pytest.approx(
        seconds, abs=worth * (0.05 if unit == "h" else 0.5)
    )


def test_a_loop_that_fails_or_is_left_is_over():
    def fail():
        for i in steps(range(3)):
            _ = 1 / i

    with pytest.raises(ZeroDivisionError):
        fail()
    for _ in steps(range(3)):
        break
    abandoned = steps(range(3))
    next(abandoned)
    abandoned.close()
    assert not under_way()


@pytest.mark.parametrize("seconds", [0.3, 4.0, 29.0])
def test_no_silence_lasts_half_a_minute_whatever_the_length_of_a_step(clock, seconds):
    console = silent()
    pulse, spoken, heard = Heartbeat(console), [], 0
    pulse.last, begun = clock.now, clock.now
    for _ in steps(range(int(400 / seconds)), "testing"):
        until = clock.now + seconds
        while clock.now < until:  # the thread looks once a second, whatever the work does
            clock.now += min(heartbeat.LOOK_SECONDS, until - clock.now)
            pulse.beat()
            lines = console.file.getvalue().splitlines()
            spoken += [clock.now] * (len(lines) - heard)
            heard = len(lines)
    gaps = [b - a for a, b in zip([begun, *spoken], [*spoken, clock.now], strict=True)]
    assert max(gaps) < LONGEST
    assert heard < 400 / 20  # and nobody is talked to death
    assert all(line.startswith("  testing · ") for line in lines)
    assert "left" in lines[-1]


def test_one_long_step_does_not_silence_the_heartbeat(monkeypatch):
    monkeypatch.setattr(heartbeat, "SILENCE", 0.1)
    monkeypatch.setattr(heartbeat, "LOOK_SECONDS", 0.02)
    console = silent()
    with Heartbeat(console), doing("likelihood"), doing(Loop("", 10)):
        time.sleep(0.7)  # no loop says anything meanwhile
    lines = console.file.getvalue().splitlines()
    assert 2 <= len(lines) <= 7
    assert all(line.startswith("  likelihood · 0 % · ") for line in lines)


def test_nothing_is_said_where_nothing_is_done(clock):
    console = silent()
    pulse = Heartbeat(console)
    pulse.last = clock.now
    clock.now += 1000
    pulse.beat()
    assert console.file.getvalue() == ""


def test_a_terminal_has_a_live_line_that_leaves_nothing_behind(clock):
    console = Console(file=io.StringIO(), width=60, force_terminal=True, legacy_windows=False)
    with Heartbeat(console) as pulse:
        pulse.over.set()
        pulse.thread.join()
        with doing(Loop("testing", 4)) as loop:
            loop.done, clock.now = 1, clock.now + 20
            pulse.beat()
            assert "20 s · about 60 s left · testing · 25 %" in console.file.getvalue()
    assert console.file.getvalue().endswith("\x1b[2K")  # the line is erased


def test_a_grid_tells_its_place_and_time_left_by_the_jobs_that_were_run(clock, tmp_path):
    jobs = [Cell(f"job {i}", tmp_path / str(i), ()) for i in range(6)]
    for number in (0, 4):  # finished by an earlier call
        jobs[number].folder.mkdir()
        (jobs[number].folder / "summary.json").touch()
    pace = Pace()
    assert pace.left(1, jobs) == ""
    for number, seconds in ((1, 40), (2, 80)):
        with pace.job(number, jobs):
            assert [loop.text() for loop in under_way()] == [f"job {number} · {number + 1} of 6"]
            clock.now += seconds
            jobs[number].folder.mkdir()
            (jobs[number].folder / "summary.json").touch()
    assert pace.place(3, jobs) + pace.left(3, jobs) == " · 4 of 6, about 2 min left"
    assert pace.place(3, []) + pace.left(3, []) == ""  # a search, or a process beside others
