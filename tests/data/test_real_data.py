"""The real files, where VAEBENCH_DATA_DIR says that they are."""

import os
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from vaebench.data import CIFAR10, MNIST, SVHN, FreyFaces, Omniglot, Split
from vaebench.data.images.mnist import FILES

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
    everything = torch.cat([parts["train"].grey(), parts["val"].grey()])
    assert abs(everything.mean().item() - 0.1307) < 5e-5
    assert parts["test"].y.bincount().tolist()[:3] == [980, 1135, 1032]


def test_frey_faces_are_1965_frames_of_28_by_20_bytes():
    root = needs("freyfaces/freyfaces.npz")
    data = FreyFaces(data_dir=str(root), split=Split("random", 165, 200), binarize="none")
    assert data.protocol["split"]["sizes"] == {"train": 1600, "val": 165, "test": 200}
    assert data.spec["x"].shape == (1, 28, 20)
    assert data.spec["x"].levels == 256


def test_cifar10_has_50000_and_10000_images_and_its_mean_colour():
    root = needs("cifar-10-batches-py/batches.meta", "cifar-10-batches-py/test_batch")
    data = CIFAR10(data_dir=str(root), split=Split("official", 5000), binarize="none")
    assert data.protocol["split"]["sizes"] == {"train": 45_000, "val": 5000, "test": 10_000}
    parts = data.parts
    colour = torch.cat([parts["train"].grey(), parts["val"].grey()]).mean((0, 2, 3))
    assert_close(colour, torch.tensor([0.4914, 0.4822, 0.4465]), atol=5e-4, rtol=0)
    assert parts["test"].y.bincount().tolist() == [1000] * 10


def test_svhn_has_73257_and_26032_images_and_its_mean_colour():
    root = needs("SVHN/train_32x32.mat", "SVHN/test_32x32.mat")
    data = SVHN(data_dir=str(root), split=Split("official", 5000), binarize="none")
    assert data.protocol["split"]["sizes"] == {"train": 68_257, "val": 5000, "test": 26_032}
    parts = data.parts
    colour = torch.cat([parts["train"].grey(), parts["val"].grey()]).mean((0, 2, 3))
    assert_close(colour, torch.tensor([0.4377, 0.4438, 0.4728]), atol=5e-4, rtol=0)


def test_omniglot_has_19280_and_13180_drawings_white_on_black():
    root = needs("omniglot-py/images_background.zip", "omniglot-py/images_evaluation.zip")
    data = Omniglot(data_dir=str(root), split=Split("official", 1928), binarize="none")
    assert data.protocol["split"]["sizes"] == {"train": 17_352, "val": 1928, "test": 13_180}
    for raw in data.parts.values():
        assert raw.grey().mean() < 0.2
        assert (raw.grey().amax((1, 2, 3)) > 0.3).all()
