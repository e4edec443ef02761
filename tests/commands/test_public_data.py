"""CIFAR-10, SVHN and Omniglot as commands, on made-up files in their layout."""

from __future__ import annotations

import json

import pytest

from tests.data.public import TEST, TRAIN, pictures, write_cifar10, write_omniglot, write_svhn
from tests.fast import first_of
from vaebench.suggest import suggestions

SMALL = ["data_dir=data", "dataset.split.val=6", "trainer.batch_size=8", "logger=none"]
QUICK = ["trainer.max_steps=5", "eval.k=2", "nets.hidden=[8]", "model.latent_dim=2"]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """All of them, in `data`."""
    for write in (write_cifar10, write_svhn):
        write(tmp_path / "data", monkeypatch, pictures(TRAIN), pictures(TEST))
    write_omniglot(tmp_path / "data", monkeypatch)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("name", "options", "metric"),
    first_of(
        [
            ("cifar10", [], "test/bpd"),
            ("cifar10", ["dataset.patch=8"], "test/bpd"),
            (
                "cifar10",
                ["dataset.patch=8", "dataset.dequantize=false", "likelihood=categorical"],
                "",
            ),
            ("svhn", [], "test/bpd"),
            ("svhn", ["dataset.patch=8"], "test/bpd"),
            ("omniglot", [], "test/nll"),
        ]
    ),
)
def test_each_of_them_trains(here, tmp_path, name, options, metric):
    done = here(f"dataset={name}", *options, *SMALL, *QUICK)
    assert done.code == 0, done.err
    (summary,) = (json.loads(path.read_text()) for path in tmp_path.rglob("summary.json"))
    assert metric in {*summary, ""}
    patched = "dataset.patch=8" in options
    assert summary.get("protocol.patch", 0) == 8 * patched
    assert ("8x8" in summary["notes"]) == patched


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("budget", ["small", "full"])
def test_the_experiment_on_patches_composes_at_both_budgets(here, budget):
    done = here("check", "experiment=nf_cifar", f"budget={budget}", *SMALL[:2])
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == "ok"


@pytest.mark.usefixtures("files")
def test_the_experiment_on_patches_is_a_grid_of_planar_flows(here, tmp_path):
    done = here("experiment=nf_cifar", *SMALL, *QUICK, "posterior.K=0,2", "hydra.sweep.dir=grid")
    assert done.code == 0, done.err
    summaries = [json.loads(path.read_text()) for path in tmp_path.rglob("summary.json")]
    assert sorted(s["config.posterior.K"] for s in summaries) == [0, 2]
    assert {s["protocol.patch"] for s in summaries} == {8}


@pytest.mark.parametrize("name", ["cifar10", "svhn", "omniglot"])
def test_no_network_and_no_files_is_refused_in_one_line(here, tmp_path, monkeypatch, name):
    def offline(*args, **kwargs):
        raise OSError("Network is unreachable")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    done = here("check", f"dataset={name}", "data_dir=empty")
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert "could not be downloaded" in done.err
    assert suggestions(done.err.strip()) == ["dataset=digits"]
    assert list(tmp_path.iterdir()) == []
