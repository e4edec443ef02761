"""Helmholtz machines from the command line: each way of training them gains on the data."""

import json
import math

import pytest
import torch

from tests.fast import first_of
from vaebench import load

EXAMPLES = 300
WAYS = {
    "score": ["estimator=score"],
    "nvil": ["estimator=nvil"],
    "vimco": ["objective=iwae", "k=5", "estimator=vimco"],
    "wake_sleep": ["objective=wake_sleep"],
    "rws": ["objective=rws"],
}
SMALL = ["model=helmholtz", "model.layers=[30,20]", "optimizer.lr=3e-3"]
QUICK = ["eval.k=5", "eval.examples=50", "eval.checkpoint=last", "logger=csv"]


def bounds(run):
    """The run's own bound on the same test examples, with the same noise."""
    trained = load(run)
    torch.manual_seed(0)
    batch = trained.data.split("test").first(EXAMPLES).batch(torch.arange(EXAMPLES))
    with torch.no_grad():
        return trained.objective.eval()(trained.model, batch, torch.tensor(0)).terms["bound"]


@pytest.mark.parametrize("way", first_of(WAYS))
def test_the_bound_ends_above_that_of_the_first_epoch(here, tmp_path, way):
    """By three standard errors of the paired difference."""
    for epochs in (1, 5):
        stop = f"trainer.max_epochs={epochs}"
        done = here(*SMALL, stop, *WAYS[way], *QUICK, f"hydra.run.dir={epochs}")
        assert done.code == 0, done.err
    gain = (bounds(tmp_path / "5") - bounds(tmp_path / "1")).double()
    assert gain.mean() > 3 * gain.std() / math.sqrt(EXAMPLES)
    summary = json.loads((tmp_path / "5" / "summary.json").read_text())
    assert {"test/bound", "test/nll", "test/active_units", "test/free_energy"} <= summary.keys()
    energy, entropy = summary["test/energy"], summary["test/entropy"]
    assert summary["test/free_energy"] == pytest.approx(energy - entropy, rel=1e-5)
    pictures = {path.name for path in (tmp_path / "5" / "pictures").iterdir()}
    assert {"reconstructions.png", "samples.png", "curves.png"} <= pictures


def test_the_free_energy_is_minus_the_evidence_lower_bound(here, tmp_path):
    assert here("model=helmholtz", "trainer.max_steps=3", *QUICK, "hydra.run.dir=run").code == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["test/free_energy"] == pytest.approx(-summary["test/bound"], rel=1e-5)
