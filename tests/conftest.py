"""What all tests share: quiet processes of one thread each, so that two run side by side."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("WANDB_SILENT", "true")

import pytest
import torch
from hydra.core.hydra_config import HydraConfig

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def unchosen():
    """What a command chose in this process is forgotten: refusals would name it."""
    HydraConfig.instance().cfg = None


@pytest.fixture(autouse=True)
def seeded():
    """Every test starts from the same global noise."""
    torch.manual_seed(0)
