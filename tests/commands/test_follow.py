"""`vaebench compare FOLDER --follow`: the page while runs train."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import numpy as np
import pytest

from tests.runs.made_up import make_run
from vaebench.runs.find import find
from vaebench.runs.page.data import gather

GRID = ["-m", "model=vae,iwae", "seed=1,2", "trainer.max_epochs=40", "eval.k=5", "logger=csv"]


@contextmanager
def following(folder, *words):
    """The command, and the address that it prints."""
    line = [sys.executable, "-m", "vaebench", "compare", str(folder), "--follow", *words]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as it:
        try:
            yield it, re.search(r"http://127\.0\.0\.1:\d+/", it.stdout.readline())[0]
        finally:
            it.kill()


def told(address):
    with urllib.request.urlopen(f"{address}data", timeout=30) as answer:
        return json.load(answer)


@pytest.mark.process
def test_it_prints_where_and_ends_by_an_interrupt_without_a_complaint(tmp_path):
    of = {"model": "vae", "k": 1, "rate": 1e-3, "seed": 0, "noise": np.random.default_rng(0)}
    make_run(tmp_path / "0", nll=90.0, rows=3, **of)
    with following(tmp_path) as (command, address):
        assert len(told(address)["data"]["runs"]) == 1
        command.send_signal(signal.SIGINT)
        assert command.wait(20) == 0
        assert command.stdout.read() == "no longer following\n"


def test_options_of_the_page_that_is_written_are_refused(here, tmp_path):
    for option in ("metric=test/bound", "out=page", "baseline=x"):
        done = here("compare", str(tmp_path), "--follow", option)
        assert done.code == 2
        assert option.partition("=")[0] in done.err
    done = here("compare", str(tmp_path), "port=8000")
    assert done.code == 2
    assert "--follow" in done.err


def test_a_port_that_is_taken_or_none_is_refused(here, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = here("compare", str(tmp_path), "--follow", f"port={port}")
    assert done.code == 2
    assert f"port={port}" in done.err
    assert "Use port=0" in done.err
    assert here("compare", str(tmp_path), "--follow", "port=99999").code == 2


@pytest.mark.slow
def test_a_grid_that_trains_is_followed_to_the_page_that_compare_writes(tmp_path):
    """Rows appear and curves grow; each look finds the runs that finished as they stay."""
    words = [sys.executable, "-m", "vaebench", *GRID, f"hydra.sweep.dir={tmp_path}/grid"]
    seen, states, lengths = set(), set(), []
    with following(tmp_path) as (command, address):
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, env=dict(os.environ)) as grid:
            while grid.poll() is None:
                data = told(address)["data"]
                seen.add(len(data["runs"]))
                states |= {job["state"] for job in data["jobs"]}
                lengths += [run["curves"][3] for run in data["runs"][:1] if run["curves"]]
                time.sleep(0.3)
        assert grid.returncode == 0
        time.sleep(5)
        found = told(address)
        runs = find([tmp_path])
        static = gather(runs.runs, runs.skipped, found["data"]["title"])
        assert {job["state"] for job in found["data"].pop("jobs")} == {"done"}
        assert found["data"] == json.loads(
            json.dumps({n: v for n, v in static.told.items() if n != "jobs"})
        )
        assert found["numbers"] == static.numbers
        command.send_signal(signal.SIGINT)
        assert command.wait(20) == 0
    assert seen >= {1, 2, 3, 4}
    assert states >= {"waiting", "running", "done"}
    assert len(set(lengths)) > 3
