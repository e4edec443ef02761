"""What a GPU must show, shown on a CPU as far as that goes."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


def gpu(out: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The benchmark on the CPU, in a process of its own."""
    line = [sys.executable, str(FOLDER / "gpu.py"), "--device", "cpu", "--out", str(out), *words]
    return subprocess.run(line, capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture
def module(monkeypatch):
    """Its functions; it finds the hand-written loop beside itself."""
    monkeypatch.syspath_prepend(FOLDER)
    spec = importlib.util.spec_from_file_location("gpu", FOLDER / "gpu.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.mark.process
def test_a_resumed_run_equals_one_never_stopped_by_the_command(tmp_path):
    done = gpu(tmp_path / "gpu.json", "--parts", "resume")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert list(found) == ["about", "resume"]
    assert "stopped by SIGTERM at step" in found["resume"]["stopped"]
    assert found["resume"]["equal"] == {"weights": True, "history": True}


@pytest.mark.slow
def test_all_of_it_runs_to_its_end_on_a_cpu(tmp_path):
    small = ("--steps", "5", "--images", "600", "--rounds", "1", "--few", "2")
    done = gpu(tmp_path / "gpu.json", *small)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert set(found) == {"about", "speed", "resume", "auto", "compositions"}
    assert all(len(run["losses"]) == 2 for run in found["compositions"]["runs"].values())
    for rows in found["speed"]["runs"].values():
        for name in ("hand-written loop", "vaebench", "compiled"):
            assert rows[name]["steps_per_second"] > 0
    assert found["speed"]["passed"] is None  # on a CPU there is nothing to show


def test_two_folders_are_the_same_run_only_if_every_bit_is(module, tmp_path):
    import torch

    for name, bit in (("one", 0.0), ("other", 1e-45)):
        (tmp_path / name / "checkpoints").mkdir(parents=True)
        weights = {"state_dict": {"weight": torch.tensor([1.0, bit])}}
        torch.save(weights, tmp_path / name / "checkpoints" / "last.ckpt")
    one, other = tmp_path / "one", tmp_path / "other"
    assert module.same_weights(one, one)
    assert not module.same_weights(one, other)


def test_times_faster_are_those_of_the_compiled_step_and_none_where_it_failed(module):
    rows = {"vaebench": {"steps_per_second": 100.0}, "compiled": {"steps_per_second": 350.0}}
    failed = {"vaebench": {"steps_per_second": 100.0}, "compiled": {"not": "refused"}}
    found = module.faster({"vae": rows, "iwae": failed})
    assert found["vae"] == 3.5
    assert not found["iwae"] >= module.GRAPH


def test_a_run_that_did_not_finish_says_why_in_place_of_its_median(module):
    runs = [{"steps_per_second": 1.0}, {"not": "vaebench: no such products"}]
    assert module.median(runs) == {"not": "vaebench: no such products"}
    assert module.told(module.median(runs), runs[0]) == "vaebench: no such products"
    assert module.median(runs[:1] * 3) == {"steps_per_second": 1.0}
