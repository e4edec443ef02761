"""CIFAR-10, SVHN and Omniglot: downloaded whole or not at all, and refused by name when broken."""

from __future__ import annotations

import http.client
import io
import pickle
import shutil
import zipfile
from pathlib import Path

import pytest
import torchvision
from scipy.io import savemat

from tests.data.public import TEST, TRAIN, pictures, write_cifar10, write_omniglot, write_svhn
from vaebench.data import CIFAR10, SVHN, Omniglot, Split
from vaebench.errors import DataError

KINDS = [CIFAR10, SVHN, Omniglot]
A_FILE = {
    CIFAR10: ["data_batch_3", "test_batch", "batches.meta"],
    SVHN: ["train_32x32.mat", "test_32x32.mat"],
    Omniglot: ["images_background.zip", "images_evaluation.zip"],
}
FILES = [(kind, name) for kind in KINDS for name in A_FILE[kind]]


def write(kind, root: Path, patch) -> Path:
    if kind is Omniglot:
        return write_omniglot(root, patch)
    writer = write_cifar10 if kind is CIFAR10 else write_svhn
    return writer(root, patch, pictures(TRAIN), pictures(TEST))


def open_(kind, root: Path):
    return kind(data_dir=str(root), split=Split("official", 6), binarize="none")


def other_content(kind) -> bytes:
    """A whole file of the right format with something else in it."""
    file = io.BytesIO()
    if kind is CIFAR10:
        file.write(pickle.dumps({"data": []}))
    elif kind is SVHN:
        savemat(file, {"X": pictures(2).transpose(2, 3, 1, 0)})
    else:
        zipfile.ZipFile(file, "w").close()
    return file.getvalue()


def refusal(kind, root: Path) -> str:
    with pytest.raises(DataError) as refused:
        _ = open_(kind, root).parts
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(("kind", "name"), FILES)
@pytest.mark.parametrize("keep", [0, 10, -1])
def test_a_truncated_file_is_refused_by_name(tmp_path, monkeypatch, kind, name, keep):
    path = write(kind, tmp_path, monkeypatch) / name
    path.write_bytes(path.read_bytes()[:keep])
    assert f"{path} is truncated or corrupt" in refusal(kind, tmp_path)


@pytest.mark.parametrize(("kind", "name"), FILES)
def test_another_content_is_refused_by_name(tmp_path, monkeypatch, kind, name):
    path = write(kind, tmp_path, monkeypatch) / name
    path.write_bytes(other_content(kind))
    assert f"{path} is truncated or corrupt" in refusal(kind, tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path, monkeypatch, kind):
    path = write(kind, tmp_path, monkeypatch) / A_FILE[kind][0]
    path.unlink()
    path.mkdir()
    assert str(path) in refusal(kind, tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_spoiled_bytes_are_refused_even_where_their_sum_is_right(tmp_path, monkeypatch, kind):
    folder = write(kind, tmp_path, monkeypatch)
    (folder / A_FILE[kind][0]).write_bytes(b"neither a pickle nor a matrix nor a zip")
    monkeypatch.setattr("vaebench.data.download.check_md5", lambda path, md5: None)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda path, md5: True)
    monkeypatch.setattr("torchvision.datasets.svhn.check_integrity", lambda path, md5: True)
    assert str(folder) in refusal(kind, tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_without_files_and_network_the_refusal_says_where_they_belong(tmp_path, monkeypatch, kind):
    def offline(*args, **kwargs):
        raise OSError("Network is\nunreachable")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    line = refusal(kind, tmp_path / "empty")
    assert f"is not in {tmp_path / 'empty' / kind.folder} and could not be downloaded" in line
    assert "Network is unreachable" in line
    assert "data_dir=" in line
    assert line.endswith("Use dataset=digits.")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [RuntimeError, OSError, http.client.IncompleteRead])
def test_a_broken_download_leaves_nothing_behind(tmp_path, monkeypatch, kind, error):
    def half(self):
        Path(self.root).mkdir(parents=True, exist_ok=True)
        Path(self.root, A_FILE[kind][0]).write_bytes(b"half")
        raise error(b"connection lost")

    monkeypatch.setattr(getattr(torchvision.datasets, kind.source), "download", half)
    assert "could not be downloaded" in refusal(kind, tmp_path / "empty")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_that_fills_up_leaves_nothing_half_written(tmp_path, monkeypatch, kind):
    fetch_from(write(kind, tmp_path / "net", monkeypatch), kind, monkeypatch)
    moves = []

    def full(source, target):
        moves.append(source)
        if len(moves) > 1:
            raise OSError("No space left on device")
        return shutil.copy(source, target)

    monkeypatch.setattr("vaebench.data.download.shutil.move", full)
    assert "No space left" in refusal(kind, tmp_path / "empty")
    assert not list((tmp_path / "empty" / kind.folder).iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_a_download_takes_its_place_and_is_read(tmp_path, monkeypatch, kind):
    folder = write(kind, tmp_path / "net", monkeypatch)
    fetch_from(folder, kind, monkeypatch)
    parts, expected = (open_(kind, tmp_path / root).parts for root in ("empty", "net"))
    for part, raw in expected.items():
        assert raw.grey().equal(parts[part].grey())
    kept = {path.name for path in (tmp_path / "empty" / kind.folder).iterdir()}
    assert kept == {path.name for path in folder.iterdir()}


def fetch_from(folder: Path, kind, patch) -> None:
    """Makes torchvision copy its files from a folder."""

    def fetch(self):
        target = Path(self.root, folder.name if kind is CIFAR10 else "")
        shutil.copytree(folder, target, dirs_exist_ok=True)
        if kind is Omniglot:
            shutil.unpack_archive(target / f"{self._get_target_folder()}.zip", target)

    patch.setattr(getattr(torchvision.datasets, kind.source), "download", fetch)


@pytest.mark.parametrize("kind", KINDS)
def test_a_split_of_ones_own_is_refused_since_the_test_set_is_official(tmp_path, monkeypatch, kind):
    write(kind, tmp_path, monkeypatch)
    data = kind(data_dir=str(tmp_path), split=Split("random", 6, 6), binarize="none")
    with pytest.raises(DataError, match="official test set"):
        _ = data.spec
