"""The same grid on other engines, under a search, under an agent, and in other dashboards."""

from __future__ import annotations

import csv
import json
import os
import re
from pathlib import Path

import pytest
import yaml

from tests.commands.conftest import run_folders

QUICK = ["trainer.max_epochs=1", "eval.k=2"]
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "wandb_sweep.yaml"


def offline_run(folder: Path) -> str:
    """What an offline run of wandb holds, as far as it is text."""
    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    return path.read_bytes().decode("utf-8", errors="replace")


# --------------------------------------------------------------------------------------- launchers
@pytest.mark.parametrize(
    ("launcher", "module"),
    [
        ("joblib", "hydra_plugins.hydra_joblib_launcher"),
        pytest.param(
            "submitit_local", "hydra_plugins.hydra_submitit_launcher", marks=pytest.mark.slow
        ),
        pytest.param("ray", "hydra_plugins.hydra_ray_launcher", marks=pytest.mark.slow),
    ],
)
def test_a_grid_runs_on_another_engine_and_ends_in_the_same_table(
    command, tmp_path, launcher, module
):
    pytest.importorskip(
        module, reason="an extra: pip install 'vaebench[sweeps]' or 'vaebench[ray]'"
    )
    done = command("-m", "seed=1,2", "logger=csv", *QUICK, f"hydra/launcher={launcher}")
    assert done.code == 0, done.err
    assert "2 of 2 jobs finished" in done.out
    assert re.search(r"│ +2 │ +\d+\.\d{3} ± \d+\.\d{3} │ +baseline", done.out)
    seeds = {json.loads((f / "summary.json").read_text())["seed"] for f in run_folders(tmp_path)}
    assert seeds == {1, 2}


def test_workers_name_what_failed_and_a_second_call_runs_only_that(command, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="vaebench[sweeps]")
    line = ["-m", "posterior=gaussian,delta", "logger=csv", *QUICK, "hydra/launcher=joblib"]
    for finished_before in (0, 1):
        done = command(*line)
        assert done.code == 2
        (error,) = [e for e in done.err.splitlines() if e.startswith("vaebench: ")]
        assert re.match(
            r"vaebench: job 1 \(posterior=delta\): posterior=delta has no density", error
        )
        assert "1 of 2 jobs finished" in done.out
        assert done.out.count("finished already") == finished_before
        told, _, table = done.out.partition("log p(x) · digits")
        assert all(re.match(r"job [01] │", line) for line in told.splitlines() if line.strip())
        assert re.search(r"^job 0 │ .*job 0 \(posterior=gaussian\)", told, re.MULTILINE)
        assert re.search(r"│ delta +│ +refused: posterior=delta has no density", table)


def test_workers_share_the_cores_instead_of_fighting_for_them(command, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="vaebench[sweeps]")
    (tmp_path / "counting.py").write_text(
        "import os, torch\n"
        "from pathlib import Path\n"
        "from vaebench.data import Digits\n"
        "class Counting(Digits):\n"
        "    def split(self, part):\n"
        "        Path(f'threads-{os.getpid()}').write_text(str(torch.get_num_threads()))\n"
        "        return super().split(part)\n"
    )
    workers = min(2, os.cpu_count() or 1)
    done = command(
        *("-m", "seed=1,2", "logger=csv", *QUICK, "hydra/launcher=joblib"),
        *(f"hydra.launcher.n_jobs={workers}", "dataset._target_=counting.Counting"),
        OMP_NUM_THREADS="",
        PYTHONPATH=str(tmp_path),
    )
    assert done.code == 0, done.err
    threads = [int(p.read_text()) for p in tmp_path.glob("threads-*")]
    assert threads
    assert all(n * workers <= max(workers, os.cpu_count() or 1) for n in threads)


@pytest.mark.slow
def test_a_search_decides_on_its_jobs_as_it_goes(command, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="vaebench[sweeps]")
    done = command(
        *("-m", "hydra/sweeper=optuna", "hydra.sweeper.direction=maximize"),
        *("hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=1"),
        *("optimizer.lr=interval(1e-4,1e-2)", "logger=csv", *QUICK),
    )
    assert done.code == 0, done.err
    assert "3 of 3 jobs finished" in done.out
    (best,) = tmp_path.rglob("optimization_results.yaml")
    assert 1e-4 <= yaml.safe_load(best.read_text())["best_params"]["optimizer.lr"] <= 1e-2


# -------------------------------------------------------------------------------------- dashboards
def test_wandb_gets_the_grid_its_names_tags_pictures_and_summary(command, tmp_path):
    done = command("-m", "model=vae,iwae", "seed=1,2", *QUICK)
    assert done.code == 0, done.err
    names = set()
    for folder in run_folders(tmp_path):
        text = offline_run(folder)
        summary = json.loads((folder / "summary.json").read_text())
        model, seed = summary["choices.model"], summary["seed"]
        names.add(name := f"{model}-digits model={model} seed={seed}")
        assert name in text
        assert folder.parent.name in text  # the group
        assert "posterior=gaussian" in text  # a tag
        assert "pictures/samples" in text
        assert "quantity" in text  # of the summary
    assert len(names) == 4
    (line,) = [
        line
        for line in done.out.splitlines()
        if line.startswith("to upload   wandb sync runs/sweep/") and "*" in line
    ]
    pattern = line.split()[-1]
    assert len(list(tmp_path.glob(pattern))) == 4


def values(folder: Path, name: str) -> list[float]:
    """What an offline run of wandb was told by this name, in order: keys before texts of JSON, each
    of them once more for the summary."""
    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    found = re.findall(name.encode() + rb"\x82\x01.([-+.\de]+)", path.read_bytes(), re.DOTALL)
    return [float(value) for value in dict.fromkeys(found)]


def test_wandb_is_told_all_that_metrics_csv_is_in_the_same_order(command, tmp_path):
    """Of a run that is trained before wandb has started."""
    done = command("trainer.max_steps=3", "trainer.log_every=1", "eval.k=2")
    assert done.code == 0, done.err
    (folder,) = run_folders(tmp_path)
    with (folder / "metrics.csv").open() as file:
        losses = [float(row["train/loss"]) for row in csv.DictReader(file)]
    assert len(losses) == 3
    assert values(folder, "train/loss")[:3] == losses
    assert values(folder, "trainer/global_step")[:3] == [1, 2, 3]


def test_an_agent_of_a_wandb_sweep_names_the_run(command, tmp_path):
    done = command(*QUICK, WANDB_RUN_ID="chosen42", WANDB_SWEEP_ID="sweep1", WANDB_MODE="offline")
    assert done.code == 0, done.err
    (folder,) = run_folders(tmp_path)
    assert len(list(folder.glob("wandb/offline-run-*-chosen42"))) == 1


def test_the_example_sweep_drives_the_command(here):
    """What an agent puts in place of `${args_no_hyphens}`: name=value for each parameter."""
    sweep = yaml.safe_load(EXAMPLE.read_text())
    assert sweep["command"] == ["vaebench", "${args_no_hyphens}"]
    words = [
        f"{name}={p['values'][-1] if 'values' in p else p['min']}"
        for name, p in sweep["parameters"].items()
    ]
    done = here("check", *words)
    assert done.code == 0, done.err
    assert sweep["metric"] == {"name": "val/bound", "goal": "maximize"}


def test_tensorboard_shows_options_beside_results(here, tmp_path):
    pytest.importorskip("tensorboard", reason="an extra: pip install 'vaebench[tensorboard]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    assert here("logger=tensorboard", "seed=3", *QUICK).code == 0
    (folder,) = run_folders(tmp_path)
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    data = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    options = HParamsPluginData.FromString(data).session_start_info.hparams
    assert options["choices.model"].string_value == "vae"
    assert options["config.seed"].number_value == 3
    assert "test/nll" in events.Tags()["scalars"]
