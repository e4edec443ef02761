"""`hydra/launcher=fused`: jobs that train together, each as if it had run alone."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from vaebench.commands.fused import dealt

GRID = ("-m", "logger=csv", "eval.k=5", "trainer.log_every=5")
LINE = (*GRID, "nets.hidden=[20]")
FUSED = ("hydra/launcher=fused", "hydra.launcher.compile=false")
CLOSE = 1e-4


def summaries(grid: Path) -> dict[str, dict]:
    """Of the runs of a grid, by folder."""
    found = sorted(grid.glob("*/summary.json"))
    return {path.parent.name: json.loads(path.read_text()) for path in found}


def history(folder: Path) -> tuple[list[str], np.ndarray]:
    """Names and values."""
    names, *rows = csv.reader((folder / "metrics.csv").read_text().splitlines())
    return names, np.array([[float(x) if x else np.nan for x in row] for row in rows])


def compare(fused: Path, plain: Path) -> None:
    """The runs of two grids: all their numbers, their histories, and what lies in their folders."""
    ones, others = summaries(fused), summaries(plain)
    assert ones.keys() == others.keys()
    for name, one in ones.items():
        other = others[name]
        assert one.keys() == other.keys()
        for metric in (n for n in one if n.startswith(("test/", "val/", "train/"))):
            assert one[metric] == pytest.approx(other[metric], rel=CLOSE, abs=CLOSE), metric
        (names, values), (own, expected) = history(fused / name), history(plain / name)
        assert names == own
        np.testing.assert_allclose(values, expected, rtol=CLOSE, atol=CLOSE)
        pictures = [
            sorted(p.name for p in (g / name / "pictures").iterdir()) for g in (fused, plain)
        ]
        assert pictures[0] == pictures[1]


def checkpoint(folder: Path) -> dict:
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def test_seeds_and_posteriors_come_to_what_the_plain_launcher_comes_to(here, tmp_path):
    words = (*LINE, "seed=1,2", "posterior=gaussian,iaf", "trainer.max_epochs=2")
    plain = here(*words, f"hydra.sweep.dir={tmp_path / 'plain'}")
    fused = here(*words, *FUSED, f"hydra.sweep.dir={tmp_path / 'fused'}")
    assert (plain.code, fused.code) == (0, 0), fused.err
    assert "fused: jobs 0, 2 train together" in fused.out
    assert "fused: jobs 1, 3 train together" in fused.out
    compare(tmp_path / "fused", tmp_path / "plain")
    table = [out.out.rpartition("log p(x)")[2].partition("finished")[0] for out in (plain, fused)]
    assert table[0] == table[1]
    one, other = (checkpoint(tmp_path / kind / "0") for kind in ("fused", "plain"))
    assert one.keys() == other.keys()
    assert one["state_dict"].keys() == other["state_dict"].keys()
    assert one["loops"] == other["loops"]
    files = [tmp_path / kind / "0" / "checkpoints" / "last.ckpt" for kind in ("fused", "plain")]
    assert files[0].stat().st_size == pytest.approx(files[1].stat().st_size, rel=0.1)


def test_numbers_differ_job_by_job_and_one_that_diverges_ends_alone(here, tmp_path):
    words = (*LINE, "optimizer.lr=1e-3,1e30", "objective.beta=0.5,2", "trainer.max_epochs=2")
    plain = here(*words, f"hydra.sweep.dir={tmp_path / 'plain'}")
    fused = here(*words, *FUSED, f"hydra.sweep.dir={tmp_path / 'fused'}")
    assert (plain.code, fused.code) == (1, 1)
    assert "fused: jobs 0, 1, 2, 3 train together, each with its own beta" in fused.out
    assert "2 of 4 jobs finished" in fused.out
    compare(tmp_path / "fused", tmp_path / "plain")
    errors = [[x for x in out.err.splitlines() if "Diverged" in x] for out in (plain, fused)]
    assert len(errors[0]) == 2
    assert [e.partition("; ")[0] for e in errors[0]] == [e.partition("; ")[0] for e in errors[1]]


def test_who_cannot_share_says_so_and_trains_alone(here, tmp_path):
    discrete = ("posterior=bernoulli", "prior=bernoulli", "estimator=score", "baseline=running")
    words = (*LINE, "seed=1,2", "trainer.max_epochs=1", *discrete)
    fused = here(*words, *FUSED, f"hydra.sweep.dir={tmp_path}")
    assert fused.code == 0, fused.err
    assert "fused: job 0 trains alone: it draws discrete latents" in fused.out
    assert "2 of 2 jobs finished" in fused.out
    refused = here(*words, *FUSED, "hydra.launcher.width=0", f"hydra.sweep.dir={tmp_path / 'none'}")
    assert refused.code == 2
    assert "hydra.launcher.width=0: must be at least 1, or auto" in refused.err


def test_groups_are_halved_until_each_process_has_one():
    jobs = [[*range(9)], [9, 10]]
    assert dealt(jobs, 2) == jobs
    assert dealt(jobs, 4) == [[0, 1, 2, 3], [4, 5], [6, 7, 8], [9, 10]]
    assert [len(group) for group in dealt(jobs, 99)] == [2, 2, 2, 3, 2]
    assert [job for group in dealt(jobs, 99) for job in group] == [*range(11)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [
        "model=iwae k=3",
        "model=iwae k=3 estimator=dreg",
        "posterior=planar posterior.K=2",
        "objective=constrained schedule=plateau",
        "weights=local_gaussian weight_prior=normal",
        "refine=hamiltonian refine.steps=2 trainer.clip_norm=1 trainer.average=0.9",
        "optimizer=sgd schedule=cosine anneal=linear anneal.steps=20",
    ],
)
def test_kinds_are_equal_to_single_runs(here, tmp_path, kind):
    words = (*LINE, "seed=1,2,3", "trainer.max_epochs=3", *kind.split())
    here(*words, f"hydra.sweep.dir={tmp_path / 'plain'}")
    fused = here(*words, *FUSED, f"hydra.sweep.dir={tmp_path / 'fused'}")
    assert "fused: jobs 0, 1, 2 train together" in fused.out
    compare(tmp_path / "fused", tmp_path / "plain")


@pytest.mark.slow
def test_convolutions_without_kinks_are_equal_to_single_runs(here, tmp_path):
    words = (*GRID, "seed=1,2", "trainer.max_epochs=3", "nets=conv", "nets.activation=tanh")
    here(*words, f"hydra.sweep.dir={tmp_path / 'plain'}")
    fused = here(*words, *FUSED, f"hydra.sweep.dir={tmp_path / 'fused'}")
    assert "fused: jobs 0, 1 train together\n" in fused.out
    compare(tmp_path / "fused", tmp_path / "plain")


class Nudge(pl.Callback):
    """Begins with weights of which each is the next larger or smaller float."""

    def on_fit_start(self, trainer, system):
        generator = torch.Generator().manual_seed(0)
        for parameter in system.parameters():
            up = torch.rand(parameter.shape, generator=generator) < 0.5
            parameter.data = parameter.nextafter(torch.where(up, torch.inf, -torch.inf)).detach()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["nets=conv", "model=factor_vae"])
def test_nets_with_kinks_are_no_further_off_than_single_runs_by_a_last_bit(here, tmp_path, kind):
    words = (*GRID, "seed=1,2,3", "trainer.max_epochs=3", kind)
    nudge = "+callbacks._target_=tests.commands.test_fused.Nudge"
    ways = {"plain": (), "fused": FUSED, "nudged": (nudge,)}
    out = {n: here(*words, *more, f"hydra.sweep.dir={tmp_path / n}") for n, more in ways.items()}
    assert "train together, up to what rounding does to nets with kinks" in out["fused"].out
    loss = {n: np.array([s["test/loss"] for s in summaries(tmp_path / n).values()]) for n in ways}
    off = {n: np.abs(loss[n] / loss["plain"] - 1).max() for n in ("fused", "nudged")}
    assert off["fused"] <= 3 * off["nudged"]


@pytest.mark.slow
def test_compiled_in_two_processes_the_numbers_are_the_same(here, command, tmp_path):
    words = (*LINE, "seed=1,2,3,4", "trainer.max_epochs=2")
    here(*words, f"hydra.sweep.dir={tmp_path / 'plain'}")
    several = ("hydra/launcher=fused", "hydra.launcher.compile=true", "hydra.launcher.n_jobs=2")
    fused = command(*words, *several, f"hydra.sweep.dir={tmp_path / 'fused'}")
    assert fused.code == 0, fused.err
    assert fused.out.count("train together, compiled") == 2  # one stack, halved
    compare(tmp_path / "fused", tmp_path / "plain")


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.parametrize("again", ["the grid", "each job"])
def test_a_killed_grid_goes_on_to_the_same_numbers(here, tmp_path, again):
    words = (*LINE, "seed=1,2,3", "trainer.max_epochs=120", *FUSED)
    here(*words, f"hydra.sweep.dir={tmp_path / 'whole'}")
    folder = tmp_path / "killed"
    line = [sys.executable, "-m", "vaebench", *words, f"hydra.sweep.dir={folder}"]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not all((folder / f"{n}/checkpoints/last.ckpt").exists() for n in range(3)):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not summaries(folder)
    if again == "the grid":
        assert here(*line[3:]).code == 0
    else:
        for number in range(3):
            assert here("resume", str(folder / str(number))).code == 0
    compare(folder, tmp_path / "whole")
