"""`vaebench new KIND NAME`: what it writes passes at once, composes, and overwrites nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import vaebench
from vaebench.cli import main
from vaebench.commands.new import kinds

NAMES = {
    "dataset": "bars",
    "estimator": "clipped",
    "likelihood": "laplace_likelihood",
    "objective": "entropic",
    "posterior": "laplace",
    "prior": "student_t",
}
"""Some are called like what their template is made of."""
KINDS = [*NAMES]
QUICK = ["trainer.max_steps=3", "nets.hidden=[20]", "eval.k=2", "eval.examples=20", "logger=none"]


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """A folder with a part of each kind."""
    folder = tmp_path_factory.mktemp("outside") / "mine"
    for kind in KINDS:
        assert main(["new", kind, NAMES[kind], "--into", str(folder)]) == 0
    return folder


@pytest.fixture
def choosing(mine, monkeypatch):
    """The words that choose one of them, of a program that has not seen their folder."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    for kind in KINDS:
        monkeypatch.delitem(sys.modules, NAMES[kind], raising=False)
    return lambda *kinds: [f"--config-dir={mine / 'conf'}", *(f"{k}={NAMES[k]}" for k in kinds)]


def test_there_is_a_template_of_each_kind():
    assert kinds() == KINDS


@pytest.mark.process
def test_the_tests_that_it_writes_pass(mine):
    words = ["-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", str(mine)]
    done = subprocess.run([sys.executable, *words], cwd=mine.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert len([*mine.glob("test_*.py")]) == len(KINDS)


def test_what_it_writes_is_told_with_how_to_use_it(here, tmp_path):
    done = here("new", "posterior", "laplace", "--into=mine")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[:3] == [
        "written mine/laplace.py",
        "written mine/conf/posterior/laplace.yaml",
        "written mine/test_laplace.py",
    ]
    assert lines[-2:] == [
        "train   vaebench --config-dir mine/conf posterior=laplace",
        "test    python -m pytest mine/test_laplace.py",
    ]
    assert "class LaplacePosterior(" in (tmp_path / "mine/laplace.py").read_text()
    assert not [path for path in tmp_path.rglob("*") if "emplate" in path.name]
    found = here("list", "posterior", "--config-dir", "mine/conf").out
    assert "  laplace " in found


def test_all_of_them_together_are_one_run(choosing, here):
    done = here("check", *choosing("dataset", "estimator", "objective", "posterior", "prior"))
    assert done.code == 0, done.err
    assert done.out.endswith("ok\n")


def test_their_folder_may_be_named_last(choosing, here):
    folder, word = choosing("prior")
    done = here("check", word, *folder.split("="))
    assert (done.code, done.err) == (0, "")


def test_a_run_of_ones_own_parts_is_found_again_from_elsewhere(
    choosing, tmp_path, monkeypatch, undrawn
):
    monkeypatch.chdir(tmp_path)
    words = choosing("posterior", "likelihood")
    run = vaebench.run([*words, "dataset.binarize=none", *QUICK])
    monkeypatch.setattr(sys, "path", [p for p in sys.path if "outside" not in p])
    for kind in KINDS:
        sys.modules.pop(NAMES[kind], None)
    vae = vaebench.load(run.folder)
    assert vae.reconstruct(vae.examples("test", 3)).shape == (3, 1, 8, 8)
    assert "laplace" in sys.modules


def test_its_options_are_checked_like_any_others(choosing):
    with pytest.raises(ValueError, match=r"objective\.extra=much: a number was expected"):
        vaebench.compose([*choosing("objective"), "objective.extra=much"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_is_titled_and_its_class_is_in_its_module(mine, kind):
    text = (mine / "conf" / kind / f"{NAMES[kind]}.yaml").read_text()
    cfg = OmegaConf.create(text)
    target = cfg.get(kind, cfg)["_target_"]
    module, _, name = target.partition(".")
    assert module == NAMES[kind]
    assert name.endswith(kind.capitalize())
    assert f"class {name}(" in (mine / f"{NAMES[kind]}.py").read_text()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "vaebench new takes a kind and a name, not 0 words: vaebench new posterior laplace"),
        (["posteror", "mine"], "there are .*Did you mean vaebench new posterior NAME?"),
        (["posterior", "My-Own"], "'My-Own' is no name .* Use vaebench new posterior my_own."),
        (["prior", "class"], "'class' is no name .* Use vaebench new prior class_prior."),
        (
            ["posterior", "iaf"],
            "posterior=iaf is one of vaebench's own. Use vaebench new posterior my_iaf.",
        ),
        (
            ["posterior", "torch"],
            "torch is a module that is installed. Use vaebench new posterior my_torch.",
        ),
        (["prior", "mine", "--int", "x"], "has no option '--int'. Did you mean --into FOLDER?"),
        (["prior", "mine", "--into"], "--into needs a folder. Use --into mine."),
    ],
)
def test_anything_else_is_refused_and_writes_nothing(here, tmp_path, words, line):
    done = here("new", *words)
    assert done.code == 2
    (said,) = done.err.splitlines()
    first, _, last = line.partition(" .*")
    assert first in said
    assert last in said
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("there", ["own.py", "conf/prior/own.yaml", "test_own.py"])
def test_nothing_is_written_over(here, tmp_path, there):
    path = tmp_path / there
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("precious")
    done = here("new", "prior", "own")
    assert done.code == 2
    assert f"{there} is there already: nothing is written over. Use vaebench new" in done.err
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]
    assert Path(path).read_text() == "precious"
