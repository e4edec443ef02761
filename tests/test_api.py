"""`vaebench.run`, `grid`, `compose` and `compare`: the command for programs."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import vaebench
from vaebench.cli import main
from vaebench.errors import Refusal, RunFailed

SHORT = ["trainer.max_steps=3", "nets.hidden=[20]", "eval.k=2", "eval.examples=50", "logger=csv"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where everything of this module is trained."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder := tmp_path_factory.mktemp("api"))
        yield folder


@pytest.fixture(scope="module")
def one(folder):
    return vaebench.run(["model=iwae", "k=3", *SHORT])


@pytest.fixture(scope="module")
def several(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vaebench.commands.train.draw_run", lambda *_: [])
        return vaebench.grid(["model=vae,iwae", "seed=1,2", "k=2", *SHORT])


# -------------------------------------------------------------------------------------------- run
def test_a_run_is_what_the_command_makes_of_the_same_words(one, folder, monkeypatch):
    monkeypatch.setattr("vaebench.commands.train.draw_run", lambda *_: [])
    assert main(["model=iwae", "k=3", *SHORT, "hydra.run.dir=by_command"]) == 0
    again = vaebench.api.Trained(folder / "by_command")
    took = ("seconds", "peak_memory_mb")
    mine, its = ({n: v for n, v in r.metrics.items() if n not in took} for r in (one, again))
    assert mine == its
    assert one.summary["config.k"] == 3
    assert [*one.history["step"]] == [*again.history["step"]]


def test_a_run_knows_its_folder_from_wherever_the_program_is(one, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (one.folder / "summary.json").exists()
    x = one.model.examples("test", 4)
    assert one.model.reconstruct(x).shape == x.shape
    assert one.model is one.model
    assert repr(one).startswith(f"<log p(x) · test/nll {one.metrics['test/nll']:.3f} · ")


def test_a_notebook_shows_the_pictures(one):
    assert {"samples", "reconstructions"} <= set(one.pictures)
    png = one.pictures["samples"]._repr_png_()
    assert Image.open(io.BytesIO(png)).format == "PNG"
    html = one.pictures._repr_html_()
    assert html.count("data:image/png;base64,") == len(one.pictures)
    with pytest.raises(KeyError):
        one.pictures["no such"]


def test_an_animation_is_shown_as_one(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "walk.gif")
    (tmp_path / "sentences.tsv").write_text("no picture")
    pictures = vaebench.api.Pictures(tmp_path)
    assert [*pictures] == ["walk.gif"]
    assert pictures["walk.gif"]._repr_png_() is None
    assert "data:image/gif;base64," in pictures._repr_html_()


def test_a_program_keeps_its_own_arguments_and_environment(folder, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["mine.py", "--of-mine"])
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    path = [*sys.path]
    vaebench.compose(["nets.hidden=[5]"])
    vaebench.compose(["nets.hidden=[5]"])
    assert sys.argv == ["mine.py", "--of-mine"]
    assert "HYDRA_FULL_ERROR" not in os.environ
    assert len(sys.path) <= len(path) + 1


WRONG = [["modle=iwae"], ["k=0"], ["model=iwae", "k=1,5"]]


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_what_the_command_says_is_the_exception(words, folder, capfd):
    assert main(words) == 2
    said = capfd.readouterr().err.strip()
    for function in (vaebench.run, vaebench.compose):
        with pytest.raises(ValueError, match=r"\w") as error:
            function(words)
        assert f"vaebench: {error.value}" == said
    assert not [*folder.glob("runs/vae-digits/*/.hydra/overrides.yaml")]


@pytest.mark.parametrize("words", [["-m", "k=1,2"], ["experiment=densities"]], ids=" ".join)
def test_a_grid_is_no_run(words, folder):
    with pytest.raises(Refusal, match=r"make a grid.* Use vaebench\.grid\(\['"):
        vaebench.run(words)


@pytest.mark.parametrize("function", [vaebench.run, vaebench.grid, vaebench.compose])
def test_words_in_one_string_are_refused(function):
    with pytest.raises(Refusal, match=r"a list of strings.*\['model=iwae', 'k=5'\]"):
        function("model=iwae k=5")


def test_a_run_that_had_begun_says_where_it_ended(folder):
    with pytest.raises(RunFailed, match=r"^the run failed: .*the traceback is in "):
        vaebench.run([*SHORT, "optimizer.lr=1e30", "optimizer=sgd", "trainer.log_every=1"])


# ---------------------------------------------------------------------------------------- compose
def test_composing_gives_options_and_objects_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = vaebench.compose(["posterior=planar", "posterior.K=3", "model.latent_dim=4"])
    assert made.choices["posterior"] == "planar"
    assert made.config.model.latent_dim == 4
    assert made.config.objective.k == made.config.k == 1
    assert made.report.quantity == "log p(x)"
    batch = made.data.split("test").batch(torch.arange(5))
    assert made.model.posterior(batch["x"]).event_shape == (4,)
    assert not [*tmp_path.iterdir()]
    assert "posterior=planar" in repr(made)


# ---------------------------------------------------------------------------------------- compare
def test_a_grid_gives_its_runs_and_compare_their_table(several, capfd):
    assert [(r.summary["choices.model"], r.summary["seed"]) for r in several] == [
        *(("vae", 1), ("vae", 2), ("iwae", 1), ("iwae", 2))
    ]
    table = vaebench.compare(several)
    by_model = {
        name: np.array(
            [r.metrics["test/nll"] for r in several if r.summary["choices.model"] == name]
        )
        for name in ("vae", "iwae")
    }
    assert isinstance(table, pd.DataFrame)
    assert [*table["quantity"]] == ["log p(x)"] * 2
    assert [*table["mean"]] == sorted(table["mean"])
    rows = table.set_index("model")
    for name, values in by_model.items():
        assert rows.loc[name, "n"] == 2
        assert rows.loc[name, "mean"] == pytest.approx(values.mean())
        assert rows.loc[name, "sd"] == pytest.approx(values.std(ddof=1))
    difference = (by_model["iwae"] - by_model["vae"]).mean()
    assert rows.loc["iwae", "difference"] == pytest.approx(difference)
    assert np.isnan(rows.loc["vae", "difference"])
    against = vaebench.compare(several, baseline=several[2]).set_index("model")
    assert against.loc["vae", "difference"] == pytest.approx(-difference)


def test_what_cannot_be_compared_is_refused(several, tmp_path):
    with pytest.raises(Refusal, match=r"nosuch is no folder"):
        vaebench.compare("nosuch")
    with pytest.raises(Refusal, match=r"no finished run in "):
        vaebench.compare(tmp_path)
    with pytest.raises(Refusal, match=r"no run has 'test/nl'\. Did you mean metric=test/nll\?"):
        vaebench.compare(several, metric="test/nl")


def test_a_job_that_is_refused_is_missing_from_the_grid_and_told(folder, capfd, monkeypatch):
    monkeypatch.setattr("vaebench.commands.train.draw_run", lambda *_: [])
    runs = vaebench.grid(["posterior=gaussian,delta", *SHORT])
    assert [run.summary["choices.posterior"] for run in runs] == ["gaussian"]
    assert "posterior=delta has no density" in capfd.readouterr().err


# ---------------------------------------------------------------------------------------- package
@pytest.mark.process
def test_nothing_heavy_is_imported_before_it_is_called():
    code = (
        "import sys, vaebench; assert {'run', 'compose', 'compare', 'grid', 'load'} <= set(dir(vaebench))\n"
        "vaebench.run, vaebench.compose\n"
        "print(*{'torch', 'pandas', 'hydra', 'pytorch_lightning'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_another_name_is_no_part_of_it():
    with pytest.raises(AttributeError, match="no attribute 'nosuch'"):
        _ = vaebench.nosuch
