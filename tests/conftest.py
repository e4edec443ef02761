"""What all tests share: quiet processes of one thread each, so that two run side by side."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("WANDB_SILENT", "true")

import pytest
import torch
from hydra.core.hydra_config import HydraConfig

from tests.composing import composed_once

__all__ = ["composed_once"]

torch.set_num_threads(1)

FOLDERS = {"matrix": "matrix"}
FIXTURES = {"command": "process", "page": "browser"}
"""What a test lies in, or asks for, and the marker that it thereby has; others say it themselves."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Before `-m` picks among them: what takes long is marked for what it needs."""
    for item in items:
        asked = getattr(item, "fixturenames", ())
        marks = [mark for name, mark in FIXTURES.items() if name in asked]
        marks += [FOLDERS[folder] for folder in (item.path.parent.name,) if folder in FOLDERS]
        for mark in marks:
            item.add_marker(mark)


@pytest.fixture(autouse=True)
def unchosen():
    """What a command chose in this process is forgotten: refusals would name it."""
    HydraConfig.instance().cfg = None


@pytest.fixture(autouse=True)
def own_classes(tmp_path_factory):
    """A user's own classes, and the folders that a command found them in, are no other test's."""
    path, folders, modules = sys.path, [*sys.path], {*sys.modules}
    yield
    sys.path, path[:] = path, folders
    made = str(tmp_path_factory.getbasetemp())
    for name in sys.modules.keys() - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(made):
            del sys.modules[name]


@pytest.fixture(autouse=True)
def seeded():
    """Every test starts from the same global noise."""
    torch.manual_seed(0)
