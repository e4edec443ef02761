"""Which commit a run is of."""

from __future__ import annotations

import subprocess

import pytest

from vaebench.paths import UNKNOWN, commit_of

WHO = ["-c", "user.name=a", "-c", "user.email=a@b"]


@pytest.fixture
def checkout(tmp_path):
    """A repository with a program in it."""
    (tmp_path / "vaebench").mkdir()
    (tmp_path / "vaebench/a.py").write_text("a = 1\n")
    for words in (["init", "-q"], ["add", "."], [*WHO, "commit", "-qm", "first"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    return tmp_path.resolve()


def test_a_checkout_has_its_commit_and_says_where_the_program_differs(checkout):
    words = ["git", "-C", str(checkout), "rev-parse", "--short=7", "HEAD"]
    short = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    (checkout / "notes.txt").touch()  # no program
    assert commit_of(checkout) == short
    (checkout / "vaebench/a.py").write_text("a = 2\n")
    assert commit_of(checkout) == f"{short} + changes"


def test_what_lies_within_another_programs_checkout_is_of_no_commit(checkout):
    inside = checkout / "vaebench"
    assert commit_of(inside) == UNKNOWN
    assert commit_of(checkout.parent / "nowhere") == UNKNOWN
