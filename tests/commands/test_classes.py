"""Latents of classes, and labels that are observed, from the command line."""

from __future__ import annotations

import csv
import json

import pytest
import torch

from tests.fast import first_of
from vaebench import load

QUICK = ["eval.k=5", "eval.examples=60", "logger=csv", "optimizer.lr=3e-3", "trainer.max_epochs=6"]
CLASSES = ["posterior=categorical", "posterior.classes=4", "model.latent_dim=6"]
RELAXED = ("concrete", "straight_through", "straight_through_concrete")
WAYS = [
    *(f"objective=elbo estimator={name}" for name in ("nvil", "score", *RELAXED)),
    *(f"objective=iwae k=3 estimator={name}" for name in ("vimco", "score", *RELAXED)),
]


def history(folder) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open() as file:
        return [row for row in csv.DictReader(file) if row["val/bound"]]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("way", first_of(WAYS))
def test_a_vae_of_classes_gains_by_every_estimator_of_discrete_latents(here, tmp_path, way):
    """By more than its validation could by chance."""
    done = here(*CLASSES, *way.split(), *QUICK, "hydra.run.dir=run")
    assert done.code == 0, done.err
    bounds = [float(row["val/bound"]) for row in history(tmp_path / "run")]
    assert bounds[-1] > bounds[0] + 0.3
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["choices.prior"] == "categorical"
    assert 0 <= summary["test/active_units"] <= 6
    if "elbo" in way:
        kls = [value for name, value in summary.items() if name.startswith("test_kl/z.")]
        assert len(kls) == 6
        assert sum(kls) == pytest.approx(summary["test/kl"], rel=1e-4)


def test_a_run_of_classes_is_drawn_loaded_and_measured(here, tmp_path):
    short = ["eval.k=5", "eval.examples=60", "logger=csv", "trainer.max_steps=5"]
    assert here(*CLASSES, *short, "hydra.run.dir=run").code == 0
    done = here("sample", "run", "pictures=[traversals,interpolations,prior_walk]", "n=12")
    assert done.code == 0, done.err
    assert "does not apply" not in done.out
    model = load(tmp_path / "run")
    codes = model.encode(model.examples("test", 7))
    assert codes.shape == (7, 24)
    torch.testing.assert_close(codes.view(7, 6, 4).sum(-1), torch.ones(7, 6))
    assert model.decode(torch.eye(4)[torch.randint(4, (3, 6))].view(3, 24)).shape == (3, 1, 8, 8)
    done = here("evaluate", "run", "k=5", "examples=40", "measures=[units,information,probe]")
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert found["units/dimensions"] == 6


@pytest.mark.usefixtures("undrawn")
def test_labels_alone_cost_their_entropy_and_are_told_as_often_as_they_occur(here, tmp_path):
    words = ["model=unconditional", "model.observed=y", "likelihood=label", "logger=csv"]
    words += ["trainer.max_epochs=1", "eval.measures=[terms,likelihood,classification]"]
    assert here(*words, "hydra.run.dir=run").code == 0
    folder = tmp_path / "run"
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["quantity"] == "log p(y)"
    model = load(folder)
    y = model.examples("test")
    share = y.bincount(minlength=10) / len(y)
    log_p = model.log_prob(torch.arange(10))
    assert summary["test/nll"] == pytest.approx(-float(share @ log_p), rel=1e-5)
    wrong = (y != log_p.argmax()).double()
    assert summary["test/error"] == pytest.approx(wrong.mean().item())
    assert summary["test/brier"] == pytest.approx(0.9, abs=0.01)
    assert 0 < summary["test/calibration"] < 0.1
    with (folder / "examples.csv").open() as file:
        kept = [float(row["test/error"]) for row in csv.DictReader(file)]
    assert kept == wrong.tolist()
    assert torch.equal(model.sample(3), log_p.argmax().expand(3))
    drawn = model.sample(500, mean=False)
    assert drawn.dtype is torch.int64
    assert len(drawn.unique()) == 10


@pytest.mark.usefixtures("undrawn")
def test_errors_of_two_runs_are_compared_example_by_example(here, tmp_path):
    words = ["model=unconditional", "model.observed=y", "likelihood=label", "logger=csv"]
    words += ["trainer.max_epochs=1", "eval.measures=[classification]"]
    for rate in ("1e-3", "0.1"):
        line = [*words, f"optimizer.lr={rate}", f"hydra.run.dir=runs/{rate}"]
        assert here(*line).code == 0
    done = here("compare", "runs", "metric=test/error")
    assert done.code == 0, done.err
    assert "test/error of 400 examples" in done.out
