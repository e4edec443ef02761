"""The real files, where VAEBENCH_DATA_DIR says that they are."""

import os
from pathlib import Path

import pytest
import torch

from vaebench.data import MNIST, FreyFaces, Split
from vaebench.data.mnist import FILES

FOLDER = os.environ.get("VAEBENCH_DATA_DIR", "")


def needs(*files: str) -> Path:
    """The folder of real data, or a skip that says what is missing."""
    if not FOLDER:
        pytest.skip("VAEBENCH_DATA_DIR is not set")
    missing = [name for name in files if not Path(FOLDER, name).exists()]
    if missing:
        pytest.skip(f"VAEBENCH_DATA_DIR lacks {missing[0]}")
    return Path(FOLDER)


def test_mnist_has_60000_and_10000_images_and_a_mean_of_0_1307():
    root = needs(*(f"MNIST/raw/{name}" for name in FILES))
    data = MNIST(data_dir=str(root), split=Split("official", 5000), binarize="none")
    assert data.protocol["split"]["sizes"] == {"train": 55_000, "val": 5000, "test": 10_000}
    parts = data.parts
    everything = torch.cat([parts["train"].x, parts["val"].x])
    assert abs(everything.mean().item() - 0.1307) < 5e-5
    assert parts["test"].y.bincount().tolist()[:3] == [980, 1135, 1032]


def test_frey_faces_are_1965_frames_of_28_by_20_bytes():
    root = needs("freyfaces/freyfaces.npz")
    data = FreyFaces(data_dir=str(root), split=Split("random", 165, 200), binarize="none")
    assert data.protocol["split"]["sizes"] == {"train": 1600, "val": 165, "test": 200}
    assert data.spec["x"].shape == (1, 28, 20)
    assert data.spec["x"].levels == 256
