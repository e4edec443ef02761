"""Runs that have not finished: how far, and what takes them on."""

from __future__ import annotations

import json
import math
import os
import platform

import pytest

from tests.runs.made_up import make_run
from vaebench.runs.live import job_of, jobs_in


@pytest.fixture
def run(tmp_path):
    """A run half-way, of this process."""
    import numpy as np

    folder = tmp_path / "run"
    noise = np.random.default_rng(0)
    make_run(folder, model="vae", k=1, rate=1e-3, seed=3, nll=90.0, noise=noise, rows=10, full=True)
    summary = json.loads((folder / "summary.json").read_text())
    known = {n: v for n, v in summary.items() if "/" not in n and n != "seconds"}
    begun = known | {"process": os.getpid(), "host": platform.node()}
    (folder / "begun.json").write_text(json.dumps(begun))
    (folder / "summary.json").unlink()
    (folder / ".hydra").mkdir()
    (folder / ".hydra" / "config.yaml").write_text("k: 1\n")
    lines = (folder / "clock.csv").read_text().splitlines()
    half = [lines[0], *(line.rpartition(",")[0] + ",2000" for line in lines[1:])]
    (folder / "clock.csv").write_text("\n".join(half) + "\n")
    return folder


def test_a_run_says_how_far_it_is_and_what_it_has(run):
    job = job_of(run)
    assert (job.state, job.step, job.steps, job.seconds) == ("running", 1000, 2000, 20)
    assert job.left == pytest.approx(20)
    assert job.resume == job.reason == ""
    assert job.run.seed == 3
    assert job.run.choices["model"] == "vae"
    assert job.run.metrics()["val/bound"] < 0
    assert "test/nll" not in job.run.metrics()


def test_half_a_line_is_left_for_the_next_look(run):
    whole = job_of(run).run.metrics()
    with (run / "metrics.csv").open("a") as file:
        file.write("1100,1.2")
    with (run / "clock.csv").open("a") as file:
        file.write("1100,2")
    assert job_of(run).run.metrics() == whole
    assert job_of(run).step == 1000


def test_one_whose_process_has_ended_is_resumed_by_a_command(run):
    begun = json.loads((run / "begun.json").read_text())
    (run / "begun.json").write_text(json.dumps(begun | {"process": 2**22 + 1}))
    job = job_of(run)
    assert (job.state, job.reason) == ("stopped", "its process ended")
    assert job.resume == f"vaebench resume {run}"
    assert math.isnan(job.left)


def test_of_another_machine_silence_is_all_there_is_to_go_by(run):
    begun = json.loads((run / "begun.json").read_text())
    (run / "begun.json").write_text(json.dumps(begun | {"host": "elsewhere"}))
    assert job_of(run).state == "running"
    for path in (*run.iterdir(), run / ".hydra" / "config.yaml"):
        os.utime(path, (1, 1))
    job = job_of(run)
    assert job.state == "stopped"
    assert job.reason.startswith("silent for")


def test_one_that_failed_says_why_and_a_refused_one_is_not_resumed(run):
    (run / "error.txt").write_text("the run failed: out of memory; no checkpoint yet\n")
    job = job_of(run)
    assert (job.state, job.resume) == ("failed", f"vaebench resume {run}")
    assert "out of memory" in job.reason
    (run / "error.txt").write_text("refused: k=0: must be at least 1\n")
    assert job_of(run).resume == ""


def test_a_grid_has_jobs_that_wait(run):
    jobs = [{"name": f"job {i}", "folder": str(i), "words": []} for i in range(2)]
    (run.parent / "grid.json").write_text(json.dumps({"key": "", "jobs": jobs}))
    assert [job.state for job in jobs_in([run.parent])] == ["running", "waiting", "waiting"]
    (run.parent / "grid.json").write_text("{")
    assert [job.state for job in jobs_in([run.parent])] == ["running"]


def test_a_finished_run_is_done(run):
    (run / "summary.json").write_text("{}")
    assert job_of(run).state == "done"
