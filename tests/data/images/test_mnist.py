"""MNIST from its IDX files: read, checked, and refused by name when broken or missing."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from torch.testing import assert_close

from vaebench.data import MNIST, FashionMNIST, Split, Support
from vaebench.errors import DataError

TRAIN, TEST = 100, 20


def idx(array: np.ndarray) -> bytes:
    """The IDX format: two zeros, 8 for bytes, the number of dimensions, the dimensions, the data."""
    dims = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + dims + array.tobytes()


def pictures(n: int) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, 28, 28), dtype=np.uint8)


def labels(n: int) -> np.ndarray:
    return (np.arange(n) % 10).astype(np.uint8)


@pytest.fixture(params=[MNIST, FashionMNIST])
def kind(request):
    return request.param


@pytest.fixture
def raw(tmp_path, kind) -> Path:
    """A small data set in the layout of the real one."""
    folder = tmp_path / kind.source / "raw"
    folder.mkdir(parents=True)
    for part, n in (("train", TRAIN), ("t10k", TEST)):
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(pictures(n)))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels(n)))
    return folder


def open_(kind, root: Path, **options) -> MNIST:
    defaults = {"split": Split("official", 30), "binarize": "none"}
    return kind(data_dir=str(root), **(defaults | options))


@pytest.mark.usefixtures("raw")
def test_images_and_labels_are_those_of_the_files(tmp_path, kind):
    parts = open_(kind, tmp_path).parts
    assert {part: len(p) for part, p in parts.items()} == {"train": 70, "val": 30, "test": 20}
    rest = torch.cat([parts["train"].grey(), parts["val"].grey()])
    assert_close(rest, torch.from_numpy(pictures(TRAIN)[:, None] / 255).float())
    assert_close(parts["test"].grey(), torch.from_numpy(pictures(TEST)[:, None] / 255).float())
    assert parts["test"].y.tolist() == labels(TEST).tolist()


@pytest.mark.usefixtures("raw")
def test_the_spec_is_that_of_28_by_28_bytes(tmp_path, kind):
    spec = open_(kind, tmp_path).spec
    assert spec["x"].shape == (1, 28, 28)
    assert (spec["x"].support, spec["x"].levels) == (Support.LEVELS, 256)
    assert spec["y"].levels == 10
    assert spec.size == 70


@pytest.mark.usefixtures("raw")
def test_a_split_of_ones_own_is_refused_since_the_test_set_is_official(tmp_path, kind):
    with pytest.raises(DataError, match="official test set"):
        _ = open_(kind, tmp_path, split=Split("random", 10, 10)).spec


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
@pytest.mark.parametrize("keep", [0, 3, 10, -1])
def test_a_truncated_file_is_refused_by_name(tmp_path, kind, raw, name, keep):
    content = (raw / name).read_bytes()
    (raw / name).write_bytes(content[:keep])
    with pytest.raises(DataError, match=name) as refused:
        _ = open_(kind, tmp_path).parts
    assert "\n" not in str(refused.value)


def test_a_file_that_is_longer_than_its_header_says_is_refused(tmp_path, kind, raw):
    with (raw / "t10k-images-idx3-ubyte").open("ab") as file:
        file.write(b"more")
    with pytest.raises(DataError, match="t10k-images-idx3-ubyte"):
        _ = open_(kind, tmp_path).parts


def test_labels_in_the_place_of_images_are_refused(tmp_path, kind, raw):
    (raw / "t10k-images-idx3-ubyte").write_bytes(idx(labels(TEST)))
    with pytest.raises(DataError, match="corrupt"):
        _ = open_(kind, tmp_path).parts


def test_without_files_and_network_the_refusal_says_where_they_belong(tmp_path, kind, monkeypatch):
    def no_network(*args, **kwargs):
        raise RuntimeError("Error downloading:\nno network")

    monkeypatch.setattr(getattr(torchvision.datasets, kind.source), "download", no_network)
    with pytest.raises(DataError, match="could not be downloaded") as refused:
        _ = open_(kind, tmp_path).parts
    line = str(refused.value)
    assert "\n" not in line
    assert str(tmp_path / kind.source / "raw") in line
    assert "data_dir=" in line


def test_a_failed_download_leaves_nothing_behind(tmp_path, kind, monkeypatch):
    def half(self):
        Path(self.raw_folder).mkdir(parents=True)
        (Path(self.raw_folder) / "train-images-idx3-ubyte").write_bytes(b"half")
        raise RuntimeError("connection lost")

    monkeypatch.setattr(getattr(torchvision.datasets, kind.source), "download", half)
    with pytest.raises(DataError, match="connection lost"):
        _ = open_(kind, tmp_path).parts
    assert not list(tmp_path.rglob("*-ubyte"))


def test_a_download_takes_its_place_and_is_read(tmp_path, kind, raw, monkeypatch):
    files = {file.name: file.read_bytes() for file in raw.iterdir()}

    def fetch(self):
        Path(self.raw_folder).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (Path(self.raw_folder) / name).write_bytes(content)

    monkeypatch.setattr(getattr(torchvision.datasets, kind.source), "download", fetch)
    parts = open_(kind, tmp_path / "empty").parts
    assert len(parts["test"]) == TEST
    kept = tmp_path / "empty" / kind.source / "raw"
    assert {file.name for file in kept.iterdir()} == set(files)


@pytest.mark.parametrize(
    ("name", "array", "why"),
    [
        ("train-images-idx3", pictures(TRAIN)[:, :20], r"images of \(20, 28\) pixels"),
        ("t10k-labels-idx1", labels(TEST - 1), "holds 20 images and 19 labels"),
    ],
)
def test_whole_files_that_do_not_fit_are_refused(tmp_path, kind, raw, name, array, why):
    (raw / f"{name}-ubyte").write_bytes(idx(np.ascontiguousarray(array)))
    with pytest.raises(DataError, match=why):
        _ = open_(kind, tmp_path).parts
