"""Runs in several processes, and runs that are killed: the real command, from outside."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from tests.commands.conftest import run_folders
from vaebench.training.checkpoints import step_of

pytestmark = pytest.mark.process

COMMAND = [sys.executable, "-m", "vaebench"]

FIXED_NOISE = '''
import torch
from vaebench.distributions import DiagNormal
from vaebench.heads.posteriors import Gaussian


class SameNoise(DiagNormal):
    """The same k draws of ε for every example, so that a sum over examples can be split."""

    def rsample_and_log_prob(self, shape, noise):
        generator = torch.Generator().manual_seed(7)
        k = shape[0] if shape else 1
        eps = torch.randn(k, 1, self.loc.shape[-1], generator=generator).expand(k, *self.loc.shape)
        return self._draw(eps), lambda: self._log_prob_of_standardised(eps)


class Fixed(Gaussian):
    def forward(self, params):
        dist = super().forward(params)
        return SameNoise(dist.loc, dist.log_scale)
'''


def final(folder: Path) -> dict[str, torch.Tensor]:
    """The weights at the end of the one run below a folder."""
    (run,) = run_folders(folder)
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return dict(state)


def history(folder: Path) -> list[dict[str, str]]:
    (run,) = run_folders(folder)
    with (run / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


# --------------------------------------------------------------------------------------------- ddp
@pytest.fixture
def fixed_noise(tmp_path):
    (tmp_path / "posterior").mkdir()
    (tmp_path / "fixed_noise.py").write_text(FIXED_NOISE)
    (tmp_path / "posterior" / "fixed.yaml").write_text(
        "# the same noise for every example\n_target_: fixed_noise.Fixed\n_partial_: true\n"
    )
    return ["--config-dir", str(tmp_path), "posterior=fixed"]


@pytest.mark.parametrize("model", ["vae", "iwae"])
def test_two_processes_descend_along_the_gradient_of_one(command, tmp_path, fixed_noise, model):
    """Twelve steps of plain gradient descent, the last of them with 97 examples: 49 and 48."""
    line = [*fixed_noise, f"model={model}", "logger=csv", "trainer.max_epochs=1", "eval.k=2"]
    line += ["optimizer=sgd", "optimizer.momentum=0", "optimizer.lr=1e-3"]
    for trainer in ("cpu", "ddp"):
        where = tmp_path / trainer
        done = command(*line, f"trainer={trainer}", f"hydra.run.dir={where}/run")
        assert done.code == 0, done.err
        assert done.err == ""
    one, two = final(tmp_path / "cpu"), final(tmp_path / "ddp")
    assert_close(two, one, rtol=1e-5, atol=1e-6)
    alone, together = history(tmp_path / "cpu"), history(tmp_path / "ddp")
    for row, other in zip(alone, together, strict=True):
        assert row.keys() == other.keys()
        for name, value in row.items():
            assert (value == "") == (other[name] == "")
            if value:
                assert float(other[name]) == pytest.approx(float(value), rel=1e-4, abs=1e-5), name


def test_two_processes_work_in_a_grid(command, tmp_path):
    done = command(
        "-m", "seed=1,2,3", "trainer=ddp", "trainer.max_epochs=1", "eval.k=2", "logger=csv"
    )
    assert done.code == 0, done.err
    folders = run_folders(tmp_path)
    assert len(folders) == 3
    bounds = {(f / "summary.json").read_text().split('"test/bound": ')[1][:8] for f in folders}
    assert len(bounds) == 3
    assert not (tmp_path / "outputs").exists()


def test_a_worker_that_fails_is_named(command, tmp_path, fixed_noise):
    source = FIXED_NOISE.replace(
        "dist = super()",
        "import os\n        if os.environ.get('LOCAL_RANK') == '1':\n"
        "            raise ValueError('no luck')\n        dist = super()",
    )
    (tmp_path / "fixed_noise.py").write_text(source)
    done = command(*fixed_noise, "trainer=ddp", "trainer.max_epochs=1", "logger=csv")
    assert done.code == 1
    (line,) = done.err.splitlines()
    assert "the process of rank 1 failed: " in line
    assert "no luck" in line


# ------------------------------------------------------------------------------ killed and resumed
PLAIN = ["model=vae", "trainer.max_epochs=40"]
EVERYTHING = [
    "model=iwae",
    "trainer.max_epochs=60",
    "schedule=cosine",
    "anneal=linear",
    "anneal.steps=300",
    "trainer.patience=3",
    "optimizer.lr=0.02",
    "trainer.average=0.9",
]
REMEMBERS = ["model=helmholtz", "weights=gaussian", "trainer.max_epochs=40"]
"""Its estimator learns a baseline, and keeps a running mean of the signal."""

SHARED = ["logger=csv", "trainer=cpu", "eval.k=2", "checkpoint.every=5", "nets.hidden=[300,300]"]


def run_dir(folder: Path) -> list[str]:
    return [f"hydra.run.dir={folder}/run"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Each line's final weights and history, run to its end once."""
    known: dict[str, tuple[dict[str, torch.Tensor], str]] = {}

    def run(line: list[str]):
        if str(line) not in known:
            folder = tmp_path_factory.mktemp("undisturbed")
            subprocess.run([*COMMAND, *line, *SHARED, *run_dir(folder)], check=True, cwd=folder)
            known[str(line)] = final(folder), (folder / "run" / "metrics.csv").read_text()
        return known[str(line)]

    return run


def step_so_far(checkpoint: Path) -> int:
    """Of a run that goes on: torch opens a file twice, and between the two it may be another."""
    kept = shutil.copyfile(checkpoint, checkpoint.parents[2] / "seen.ckpt")
    return step_of(kept)


def killed(line: list[str], folder: Path, number: signal.Signals) -> int:
    """Starts a run, and sends it a signal in the middle of an epoch; the step it is found at."""
    checkpoint = folder / "run" / "checkpoints" / "last.ckpt"
    process = subprocess.Popen(
        [*COMMAND, *line, *SHARED, *run_dir(folder)], cwd=folder, stderr=subprocess.PIPE
    )
    try:
        # 12 steps an epoch: a checkpoint at a multiple of 5 that is none of 12.
        while not (checkpoint.exists() and step_so_far(checkpoint) > 60):
            time.sleep(0.01)
            assert process.poll() is None, "the run ended before it was killed"
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    if number is signal.SIGTERM:
        assert process.returncode == 1
        assert b"stopped by SIGTERM" in err
        assert b"vaebench resume" in err
    return step_of(checkpoint)


@pytest.mark.parametrize(
    ("line", "number", "block"),
    [
        pytest.param(PLAIN, signal.SIGKILL, "auto", id="plain-SIGKILL"),
        pytest.param(PLAIN, signal.SIGTERM, "1", id="plain-SIGTERM"),
        pytest.param(EVERYTHING, signal.SIGKILL, "1", id="everything-SIGKILL"),
        pytest.param(EVERYTHING, signal.SIGTERM, "auto", id="everything-SIGTERM"),
        pytest.param(REMEMBERS, signal.SIGKILL, "3", id="remembers-SIGKILL"),
    ],
)
def test_a_killed_run_resumes_to_the_end_it_would_have_had(
    tmp_path, undisturbed, line, number, block
):
    """Whatever the blocks of either."""
    weights, metrics = undisturbed(line)
    stopped = killed([*line, f"trainer.block={block}"], tmp_path, number)
    subprocess.run([*COMMAND, "resume", "run"], check=True, cwd=tmp_path)
    resumed = final(tmp_path)
    assert resumed.keys() == weights.keys()
    for name, value in weights.items():
        assert torch.equal(resumed[name], value), name
    assert (tmp_path / "run" / "metrics.csv").read_text() == metrics
    steps = [int(row["step"]) for row in history(tmp_path)]
    assert steps == sorted(set(steps))
    assert steps[-1] > stopped


@pytest.mark.parametrize(
    ("word", "number"),
    [
        pytest.param("composing", signal.SIGTERM, id="importing-SIGTERM"),
        pytest.param("log p(x)", signal.SIGTERM, id="starting-SIGTERM"),
        pytest.param("log p(x)", signal.SIGKILL, id="starting-SIGKILL"),
    ],
)
def test_a_run_killed_while_it_starts_leaves_a_folder_that_resumes(command, tmp_path, word, number):
    """Before wandb has started, beside the first steps."""
    line = ["trainer.max_epochs=2", "eval.k=2", "logger=wandb", *run_dir(tmp_path)]
    process = subprocess.Popen(
        [*COMMAND, *line], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not process.stdout.readline().startswith(word):
        assert process.poll() is None
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (-number, 1)  # before the first step, or after it
    assert "Traceback" not in err
    assert not (tmp_path / "run" / "summary.json").exists()
    done = command("resume", "run")
    assert done.code == 0, done.err
    assert int(history(tmp_path)[-1]["step"]) == 24
    assert list((tmp_path / "run").glob("wandb/offline-run-*"))


def test_the_everything_run_really_stops_early(undisturbed):
    metrics = undisturbed(EVERYTHING)[1]
    last = int(metrics.splitlines()[-1].split(",")[0])
    assert last < 60 * 12
    assert last % 12 == 0
    assert os.linesep in metrics
