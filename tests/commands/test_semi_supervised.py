"""Few labels from the command line: M2, a classifier of the same labels, and M2 on M1's codes."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
import torch

from tests.fast import first_of
from vaebench import load

FEW = ["dataset.labels=50", "eval.k=3", "eval.examples=60", "logger=csv", "nets.hidden=[40]"]
M2 = ["model=m2", "objective=semi_supervised", "objective.alpha=3"]
SHORT = ["trainer.max_steps=4"]


def summary(folder):
    return json.loads((folder / "summary.json").read_text())


def history(folder, name):
    with (folder / "metrics.csv").open() as file:
        return [float(row[name]) for row in csv.DictReader(file) if row[name]]


@pytest.mark.usefixtures("undrawn")
def test_m2_gains_and_errs_less_than_chance(here, tmp_path):
    done = here(*FEW, *M2, "trainer.max_epochs=12", "optimizer.lr=3e-3", "hydra.run.dir=run")
    assert done.code == 0, done.err
    found, bounds = summary(tmp_path / "run"), history(tmp_path / "run", "val/bound")
    assert bounds[-1] > bounds[0] + 0.3
    assert found["test/error"] + 4.5 * found["test/error_se"] < 0.9
    assert found["quantity"] == "log p(x)"
    assert -found["test/nll"] > found["test/bound"] - 5 * found["test/nll_se"]
    assert history(tmp_path / "run", "val/error")[-1] < 0.9
    assert 0 <= found["test/calibration"] <= 1


RICHER = [
    "posterior=iaf posterior.hidden=[16] objective.bound=iwae k=3",
    "posterior=planar posterior.K=2",
    "nets=conv nets.channels=[2,3] prior=conditional",
    "likelihood=categorical dataset.binarize=none",
    "prior=mixture prior.components=3 weights=gaussian",
]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("way", first_of(RICHER))
def test_m2_trains_with_richer_parts(here, tmp_path, way):
    words = [w for w in FEW if "hidden" not in w or "conv" not in way]
    done = here(*words, *M2, *way.split(), *SHORT, "hydra.run.dir=run")
    assert done.code == 0, done.err
    assert 0 <= summary(tmp_path / "run")["test/error"] <= 1


REFUSED = {
    "prior=vamp": "prior=vamp is made of q(z | x), and in model=m2 q reads x, c. Use prior=",
    "estimator=dreg": "objective=semi_supervised has no estimator. Use estimator=auto.",
    "posterior=bernoulli": "posterior=bernoulli infers bits at site 'z'. Use posterior=",
    "model.classes=7": "model=m2 has 7 classes, and y of the data 10. Use model.classes=10.",
}


@pytest.mark.parametrize("word", REFUSED)
def test_what_m2_cannot_be_made_of_is_refused_with_a_remedy(here, word):
    done = here(*FEW, *M2, word)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert REFUSED[word] in done.err


def test_a_model_without_a_class_is_told_of_one_that_has_it(here):
    done = here(*FEW, "objective=semi_supervised")
    assert done.code == 2
    assert "a latent class c, which model=vae has none of. Use model=m2" in done.err


def test_a_run_of_m2_is_drawn_loaded_measured_and_compared(here, tmp_path):
    for seed in (1, 2):
        done = here(*FEW, *M2, *SHORT, f"seed={seed}", f"hydra.run.dir=run{seed}")
        assert done.code == 0, done.err
    pictures = {path.name for path in (tmp_path / "run1" / "pictures").iterdir()}
    assert {"classes.png", "styles.png"} <= pictures
    done = here("sample", "run1", "pictures=[classes,styles,traversals,interpolations]", "n=12")
    assert done.code == 0, done.err
    assert "does not apply" not in done.out
    model = load(tmp_path / "run1")
    codes = model.encode(model.examples("test", 7))
    torch.testing.assert_close(codes["c"].sum(1), torch.ones(7))
    assert model.decode(codes).shape == (7, 1, 8, 8)
    done = here(
        "evaluate", "run1", "k=3", "examples=40", "measures=[likelihood,classification,probe]"
    )
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "run1" / "evaluation.json").read_text())
    assert found["probe/train"] == 50
    assert found["likelihood/k"] == 3
    done = here("compare", "run1", "run2")
    assert done.code == 0, done.err
    assert "│ 2 │" in done.out  # labels that differ by the seed make one experiment


@pytest.mark.usefixtures("undrawn")
def test_a_classifier_learns_from_known_labels_alone_or_is_refused(here, tmp_path):
    done = here(*FEW, "model=classifier")
    assert done.code == 2
    assert "Use dataset.unlabelled=drop" in done.err
    words = ["model=classifier", "dataset.unlabelled=drop", "trainer.max_epochs=5"]
    assert here(*FEW, *words, "hydra.run.dir=run").code == 0
    found = summary(tmp_path / "run")
    assert 0 <= found["test/error"] <= 1
    assert len(history(tmp_path / "run", "val/bound")) == 5  # an epoch is of 50 images: one step


# ------------------------------------------------------------------------------------- M1 and M2
@pytest.fixture
def first(here, tmp_path):
    """M1, a VAE on digits."""
    done = here(*FEW[1:], *SHORT, "hydra.run.dir=m1")
    assert done.code == 0, done.err
    return tmp_path / "m1"


@pytest.mark.usefixtures("undrawn")
def test_m2_on_the_codes_of_m1_trains_and_is_measured_again(here, tmp_path, first):
    words = ["dataset=codes", "dataset.run=m1", *FEW, *M2, *SHORT]
    done = here(*words, "hydra.run.dir=m2")
    assert done.code == 0, done.err
    found = summary(tmp_path / "m2")
    assert found["protocol.codes"].startswith("vae of digits")
    assert 0 <= found["test/error"] <= 1
    with np.load(first / "codes" / "train.npz") as table:
        assert {name: len(rows) for name, rows in table.items()} == dict.fromkeys(
            ("loc", "log_scale", "y"), 1197
        )
    shutil.rmtree(first / "codes")
    done = here("evaluate", "m2", "k=3", "measures=[classification]")
    assert done.code == 0, done.err
    assert (first / "codes" / "test.npz").exists()
    model = load(first)
    x = model.examples("test", 5)
    with np.load(first / "codes" / "test.npz") as table:
        assert table["loc"][:5] == pytest.approx(model.encode(x).numpy(), abs=1e-5)


@pytest.mark.usefixtures("undrawn")
def test_codes_that_are_not_to_be_had_are_refused_in_a_line(here, first):
    done = here("dataset=codes", "dataset.run=nowhere", *M2)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "nowhere is no run folder" in done.err
    done = here("dataset=codes", *M2)
    assert "dataset.run must be given" in done.err
    assert (
        here(*FEW[1:], *SHORT, "posterior=iaf", "posterior.hidden=[16]", "hydra.run.dir=flow").code
        == 0
    )
    done = here("dataset=codes", "dataset.run=flow", *M2)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "drawn afresh from a diagonal Gaussian, and q(z | ·) is Flow" in done.err


CHAIN = """
# @package _global_
# Grid: M1 on digits, and M2 on its codes
defaults:
  - override /hydra/sweeper: parts
dataset:
  labels: 50
hydra:
  mode: MULTIRUN
  sweep:
    subdir: ${hydra:runtime.choices.model}-${seed}
  sweeper:
    params:
      seed: 1,2
    parts:
      - model=vae eval.measures=[terms,probe]
      - model=m2 objective=semi_supervised dataset=codes dataset.run=%{hydra:sweep.dir}/vae-%{seed}
"""


@pytest.mark.usefixtures("undrawn")
def test_one_command_trains_m1_and_then_m2_on_its_codes_for_each_seed(here, tmp_path):
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    (tmp_path / "mine" / "experiment" / "chain.yaml").write_text(CHAIN.lstrip())
    words = ["--config-dir", "mine", "experiment=chain", *FEW[1:], *SHORT, "hydra.sweep.dir=grid"]
    done = here(*words)
    assert done.code == 0, done.err
    assert "4 of 4 jobs finished" in done.out
    for seed in (1, 2):
        first, second = (summary(tmp_path / "grid" / f"{m}-{seed}") for m in ("vae", "m2"))
        assert first["test/probe/train"] == 50
        assert second["config.dataset.run"].endswith(f"grid/vae-{seed}")
        assert 0 <= second["test/error"] <= 1
        assert (tmp_path / "grid" / f"vae-{seed}" / "codes" / "train.npz").exists()


def test_a_data_set_in_place_of_codes_is_told_apart(here):
    done = here("experiment=m1_m2", "dataset=digits")
    assert done.code == 2
    assert "dataset.run is read by dataset=codes, and dataset is another one here" in done.err
