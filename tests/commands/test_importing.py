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
