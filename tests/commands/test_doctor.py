"""`vaebench doctor`: what stands in a bug report is true, and fits one screen."""

from __future__ import annotations

import socket
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement

from vaebench.commands import doctor as doctoring
from vaebench.data.images.mnist import FILES


@pytest.fixture
def told(here):
    """What it prints: a line for each heading, and those of data sets."""

    def run(*words):
        done = here("doctor", *words)
        assert (done.code, done.err) == (0, "")
        lines = done.out.splitlines()
        assert len(lines) <= 40
        assert max(map(len, lines)) <= 100
        return " ".join(done.out.split())

    return run


def test_versions_devices_and_folders_in_one_screen_without_network(told, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    text = told()
    assert f"torch {version('torch')}" in text
    assert "trainer=auto takes " in text
    assert " free" in text.partition("runs ")[2]
    assert "wandb offline unless told otherwise" in text


def test_data_are_found_where_their_files_are_and_nowhere_else(told, tmp_path):
    folders = {"MNIST/raw": FILES, "freyfaces": ["frey_rawface.mat"], "ptb": ["ptb.train.txt"]}
    for folder, names in folders.items():
        (tmp_path / folder).mkdir(parents=True)
        for name in names:
            (tmp_path / folder / name).touch()
    text = told(f"data_dir={tmp_path}")
    assert "mnist: there, in " in text
    assert "frey_faces: there, in " in text
    assert "fashion_mnist: not there; vaebench dataset=fashion_mnist downloads it" in text
    assert "ptb: not there; put ptb.train.txt, ptb.valid.txt, ptb.test.txt into " in text
    (tmp_path / "MNIST/raw" / FILES[0]).unlink()
    assert "mnist: not there; vaebench dataset=mnist downloads it" in told(f"data_dir={tmp_path}")


def test_a_key_is_nobody_elses_business(told, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setattr(doctoring, "mode_by_account", lambda: "online")
    text = told()
    assert "kkkk" not in text
    assert "CUDA_VISIBLE_DEVICES=3" in text
    assert "wandb online unless told otherwise" in text


@pytest.mark.parametrize(
    ("needed", "line"),
    [
        ("torch>=1", f"torch {version('torch')}"),
        ("torch<1", f"torch {version('torch')} (not <1)"),
        ("no-such-package>=2", "no-such-package is not installed"),
    ],
)
def test_a_package_that_is_not_what_was_asked_for_is_told(needed, line):
    assert doctoring.told_package(Requirement(needed)) == line


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["here"], "vaebench doctor takes data_dir=DIR alone, not here"),
        (["datadir=x"], "vaebench doctor has no option 'datadir'. Did you mean data_dir=x?"),
    ],
)
def test_anything_else_is_refused(here, words, line):
    done = here("doctor", *words)
    assert (done.code, done.err) == (2, f"vaebench: {line}\n")
