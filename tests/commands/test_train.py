"""The main job, as a user runs it."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.commands.conftest import QUICK, run_folders
from vaebench.commands.saved import load_config
from vaebench.paths import commit
from vaebench.runs.clock import read_clock
from vaebench.training.fitting import identity


def test_the_default_run_reports_a_likelihood_and_leaves_a_complete_folder(command, tmp_path):
    done = command(*QUICK)
    assert done.code == 0, done.err
    assert done.err == ""
    assert re.search(r"test/nll = -L_5 +│ \d+\.\d{3} ± \d+\.\d{3}", done.out)
    (folder,) = run_folders(tmp_path)
    assert str(folder.relative_to(tmp_path)) in done.out
    for name in ("data", "reconstructions", "samples", "curves"):
        assert (folder / "pictures" / f"{name}.png").stat().st_size > 500
    assert {p.name for p in (folder / "checkpoints").iterdir()} == {
        "best.ckpt",
        "last.ckpt",
        "previous.ckpt",
    }
    assert len(list(folder.glob("wandb/offline-run-*/*.wandb"))) == 1
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["test/nll"] == pytest.approx(-summary["test/bound"], abs=2)
    assert summary["quantity"] == "log p(x)"
    assert summary["protocol.binarize"] == "dynamic"
    assert summary["protocol.split.sizes.test"] == 400
    assert summary["choices.model"] == "vae"
    assert summary["versions.commit"] == commit()
    assert re.search(r", \d+ threads? on \d+ cores$", summary["machine"])
    assert summary["config.optimizer.lr"] == 1e-3
    assert not any(isinstance(value, dict) for value in summary.values())
    assert "Infinity" not in (folder / "summary.json").read_text()


@pytest.mark.usefixtures("undrawn")
def test_metrics_csv_is_a_history_with_one_row_a_step(here, tmp_path):
    here("logger=csv", "trainer.log_every=5", *QUICK)
    (folder,) = run_folders(tmp_path)
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert next(iter(rows[0])) == "step"
    steps = [int(row["step"]) for row in rows]
    assert steps == sorted(set(steps))
    assert steps == [5, 10, 12, 17, 22, 24]
    for row in rows[:2]:
        assert float(row["train/bound"]) == pytest.approx(
            float(row["train/recon"]) - float(row["train/kl"]), rel=1e-4
        )
    assert rows[-1]["val/bound"]
    assert rows[-1]["test/nll"]
    clock = read_clock(folder / "clock.csv")
    assert clock["step"].tolist() == steps
    assert clock["epoch"].tolist() == pytest.approx([step / 12 for step in steps], rel=1e-4)
    assert set(clock["of"]) == {24}
    begun = json.loads((folder / "begun.json").read_text())
    summary = json.loads((folder / "summary.json").read_text())
    assert begun.pop("process") == os.getpid()
    assert begun.pop("host")
    assert begun == {name: summary[name] for name in begun}
    assert {"quantity", "seed", "choices.model", "config.k"} <= set(begun)


@pytest.mark.usefixtures("undrawn")
def test_a_seed_fixes_every_number(here, tmp_path):
    for _ in range(2):
        here("logger=csv", "model=iwae", "seed=3", *QUICK)
    here("logger=csv", "model=iwae", "seed=4", *QUICK)
    a, b, c = (json.loads((f / "summary.json").read_text()) for f in run_folders(tmp_path))
    metrics = [name for name in a if name.startswith(("train/", "val/", "test/"))]
    metrics = [name for name in metrics if "active_units" not in name]  # a small whole number
    assert metrics
    assert all(a[name] == b[name] for name in metrics)
    assert all(a[name] != c[name] for name in metrics)


@pytest.mark.usefixtures("undrawn")
def test_a_model_sets_defaults_and_the_command_line_wins(here, tmp_path):
    here("logger=csv", "model=iwae", *QUICK)
    here("logger=csv", "model=iwae", "objective=elbo", *QUICK)
    here("logger=csv", "model=iwae", "k=3", *QUICK)
    summaries = [json.loads((f / "summary.json").read_text()) for f in run_folders(tmp_path)]
    assert [s["choices.objective"] for s in summaries] == ["iwae", "elbo", "iwae"]
    assert [s["config.k"] for s in summaries] == [5, 1, 3]


def test_an_autoencoder_reports_no_bound_and_no_likelihood(here, tmp_path):
    done = here("logger=csv", "model=autoencoder", *QUICK)
    assert done.code == 0, done.err
    (folder,) = run_folders(tmp_path)
    summary = json.loads((folder / "summary.json").read_text())
    assert "test/recon" in summary
    assert not any("bound" in n or "nll" in n for n in summary if n.startswith("test/"))
    assert not (folder / "pictures" / "samples.png").exists()


def test_a_measure_that_was_asked_for_is_told_everywhere(here, tmp_path):
    done = here("logger=csv", "eval.measures=[probe,rate,units]", "hydra.run.dir=run", *QUICK)
    assert done.code == 0, done.err
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["test/probe/linear"] > summary["test/probe/majority"]
    with (tmp_path / "run" / "metrics.csv").open() as file:
        last = [*csv.DictReader(file)][-1]
    assert float(last["test/probe/linear"]) == summary["test/probe/linear"]
    assert f"│ test/probe/linear       │           {summary['test/probe/linear']:.3f} │" in done.out
    assert re.search(r"│ test/rate/rate +│ +\d\.\d{3} ± \d\.\d{3} │", done.out)
    assert re.search(r"│ test/probe/examples +│ +400 │", done.out)
    assert "_se" not in done.out.partition("test split")[2]
    assert "_kl/" not in done.out
    assert not (tmp_path / "run" / "examples.csv").exists()


def test_a_run_that_measures_nothing_is_complete_and_compares(here, tmp_path):
    for name, words in {"nothing": ["eval.measures=[]"], "usual": ["seed=1"]}.items():
        done = here("logger=csv", f"hydra.run.dir={name}", *words, *QUICK)
        assert done.code == 0, done.err
        assert ("test split" in done.out) == (name == "usual")
    summary = json.loads((tmp_path / "nothing" / "summary.json").read_text())
    assert not [name for name in summary if name.startswith("test")]
    assert "val/bound" in summary
    assert (tmp_path / "nothing" / "pictures" / "samples.png").exists()
    done = here("compare", "nothing", "usual", "metric=val/bound", "out=page")
    assert done.code == 0, done.err
    assert len(re.findall(r"│ all the same +│ +2 ", done.out)) == 1, done.out  # seeds of one choice


@pytest.mark.usefixtures("undrawn")
def test_the_yardstick_reports_its_exact_likelihood(here, tmp_path):
    here("logger=csv", "dataset=ppca", "trainer.max_epochs=10", "optimizer.lr=3e-3", "eval.k=200")
    (folder,) = run_folders(tmp_path)
    summary = json.loads((folder / "summary.json").read_text())
    gap = summary["test/nll"] - summary["test/exact_nll"]
    assert -0.05 < gap < 2.0


def test_a_two_dimensional_latent_is_drawn_as_a_manifold(here, tmp_path):
    here("logger=csv", "model.latent_dim=2", "prior=mixture", *QUICK)
    (folder,) = run_folders(tmp_path)
    assert (folder / "pictures" / "manifold.png").stat().st_size > 500


@pytest.mark.usefixtures("undrawn")
def test_bernoulli_on_grey_data_says_so(here, tmp_path):
    done = here("logger=csv", "dataset.binarize=none", *QUICK)
    assert "not a normalised density" in " ".join(done.out.split())
    (folder,) = run_folders(tmp_path)
    assert "not a normalised" in json.loads((folder / "summary.json").read_text())["notes"]


@pytest.mark.usefixtures("undrawn")
def test_a_folder_that_holds_a_run_is_never_overwritten(here, tmp_path):
    assert here("logger=csv", "hydra.run.dir=one", *QUICK).code == 0
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    done = here("logger=csv", "hydra.run.dir=one", "seed=5", *QUICK)
    assert done.code == 2
    assert "one holds a run already" in done.err
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_result_that_is_no_number_fails_the_run(here):
    args = ("trainer.max_steps=1", "optimizer.lr=1e30", "eval.checkpoint=last", "eval.k=2")
    done = here("logger=csv", *args)
    assert done.code == 1
    assert "Diverged" in done.err


def test_a_stopped_run_resumes_in_its_own_folder(command, here, tmp_path):
    args = ("logger=csv", "hydra.run.dir=run", *QUICK)
    assert here(*args).code == 0
    whole = (tmp_path / "run" / "metrics.csv").read_text()
    (tmp_path / "run" / "summary.json").unlink()  # as if it had died before its end
    done = command("resume", "run")
    assert done.code == 0, done.err
    assert (tmp_path / "run" / "metrics.csv").read_text() == whole
    again = command("resume", "run")
    assert again.code == 2
    assert "is finished" in again.err


@pytest.mark.usefixtures("undrawn")
def test_what_tells_models_apart_is_among_a_loggers_tags(here):
    assert here("trainer.max_steps=1", "eval.k=1", "logger=csv", "hydra.run.dir=run").code == 0
    cfg, choices = load_config(Path("run"))
    tags = dict(tag.split("=") for tag in identity(cfg).tags)
    groups = {"model", "nets", "posterior", "refine", "weights", "prior", "likelihood"}
    assert set(tags) == groups | {"objective", "estimator", "dataset"}
    assert tags == {group: choices[group] for group in tags}


@pytest.mark.usefixtures("undrawn")
def test_logger_none_writes_no_history(here, tmp_path):
    here("logger=none", *QUICK)
    (folder,) = run_folders(tmp_path)
    assert (folder / "summary.json").exists()
    assert not (folder / "metrics.csv").exists()
    assert not (folder / "wandb").exists()


@pytest.mark.usefixtures("undrawn")
def test_tensorboard_gets_the_history_too(here, tmp_path):
    done = here("logger=tensorboard", *QUICK)
    assert done.code == 0, done.err
    (folder,) = run_folders(tmp_path)
    events = b"".join(p.read_bytes() for p in (folder / "tensorboard").glob("events.out.*"))
    assert all(name in events for name in (b"train/bound", b"val/bound", b"test/nll"))
    assert (folder / "metrics.csv").exists()


@pytest.mark.process
def test_ctrl_c_ends_a_run_in_one_line_that_says_how_to_go_on(tmp_path):
    args = [sys.executable, "-m", "vaebench", "logger=csv", "trainer.max_epochs=100000"]
    process = subprocess.Popen(
        args, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    while not list(tmp_path.rglob("last.ckpt")):
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert len(err.splitlines()) == 1, err
    assert re.search(r"stopped by SIGINT at step \d+; continue with: vaebench resume", err)


def test_a_grid_makes_one_folder_and_one_offline_wandb_run_a_job(command, tmp_path):
    done = command("-m", "model=vae,iwae", "seed=1,2", *QUICK)
    assert done.code == 0, done.err
    folders = run_folders(tmp_path)
    assert len(folders) == 4
    runs = [next(folder.glob("wandb/offline-run-*")).name for folder in folders]
    assert len(set(runs)) == 4
    chosen = [json.loads((f / "summary.json").read_text()) for f in folders]
    assert {(s["choices.model"], s["seed"]) for s in chosen} == {
        (m, s) for m in ("vae", "iwae") for s in (1, 2)
    }


@pytest.mark.usefixtures("undrawn")
def test_a_refused_job_of_a_grid_is_named_and_the_others_run(here, tmp_path):
    done = here("-m", "logger=csv", "posterior=gaussian,delta", *QUICK)
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert "posterior=delta" in done.err
    assert len(run_folders(tmp_path)) == 1


def test_a_run_that_diverges_ends_in_one_line_with_its_last_checkpoint(here, tmp_path):
    done = here("logger=csv", "trainer.max_epochs=30", "optimizer.lr=1e18", "trainer.log_every=12")
    assert done.code == 1
    assert len(done.err.splitlines()) == 1
    assert "the run failed: Diverged" in done.err
    (folder,) = run_folders(tmp_path)
    assert "Traceback" in (folder / "error.txt").read_text()
