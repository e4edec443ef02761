"""Imports that take seconds, and the garbage that they are not."""

import gc
import subprocess
import sys

import pytest

from vaebench.commands.importing import importing

NOTED = """
import gc
from vaebench.commands.importing import importing

looked = []
gc.callbacks.append(lambda phase, about: looked.append(about["generation"]))
with importing():
    import torch
assert not looked, looked
assert gc.isenabled()
assert gc.get_freeze_count() > 100_000
kept = gc.get_freeze_count()
with importing():
    assert gc.isenabled()
assert gc.get_freeze_count() == kept
"""


@pytest.mark.process
def test_nothing_looks_for_garbage_in_the_first_import_nor_at_its_modules_later():
    done = subprocess.run([sys.executable, "-c", NOTED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_who_has_switched_the_search_off_finds_it_off():
    before = gc.isenabled()
    gc.disable()
    try:
        with importing():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        if before:
            gc.enable()


FIRST_WORD = """
import sys
from vaebench.cli import main

class Heard(list):
    def write(self, text):
        self.append((text, "torch" in sys.modules))
    def flush(self):
        pass

told, sys.stdout = sys.stdout, Heard()
code = main(["trainer.max_epochs=0"])
heard, sys.stdout = sys.stdout, told
before = "".join(text for text, slow in heard if not slow)
print(code, before, sep="|")
"""


@pytest.mark.process
def test_a_run_says_what_it_composes_before_it_imports_torch(tmp_path):
    words = [sys.executable, "-c", FIRST_WORD]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    code, told = done.stdout.strip().split("|")
    assert (code, told.partition(" posterior=gaussian")[0]) == ("2", "composing model=vae")
    assert told.endswith(" dataset=digits")
    assert len(done.stderr.splitlines()) == 1  # the refusal


def test_each_job_of_a_grid_says_it(here, undrawn):
    done = here("-m", "model=vae,iwae", "trainer.max_steps=2", "logger=csv", "eval.k=2")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    told = [lines[i + 1] for i, line in enumerate(lines) if line.startswith("job ")]
    assert [line.split()[:2] for line in told] == [
        ["composing", "model=vae"],
        ["composing", "model=iwae"],
    ]


def test_nothing_is_said_of_a_run_that_is_refused_without_torch(here):
    done = here("k=0")
    assert (done.code, done.out) == (2, "")
