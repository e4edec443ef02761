"""What a docstring shows is what happens."""

import doctest
import importlib
from pathlib import Path

import pytest

import vaebench

ROOT = Path(vaebench.__file__).parent
SHOWING = [path for path in sorted(ROOT.rglob("*.py")) if ">>> " in path.read_text("utf-8")]


def name_of(path: Path) -> str:
    return ".".join(("vaebench", *path.relative_to(ROOT).with_suffix("").parts))


@pytest.mark.parametrize("path", SHOWING, ids=name_of)
def test_the_examples_in_docstrings_give_what_they_say(path):
    module = importlib.import_module(name_of(path))
    failed, tried = doctest.testmod(module)
    assert tried > 0
    assert failed == 0


def test_an_example_that_says_something_else_is_caught():
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner(verbose=False).run(wrong, out=lambda _: None).failed == 1
