"""Frey faces from either of their two files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat
from torch.testing import assert_close

from vaebench.data import FreyFaces, Split
from vaebench.errors import DataError

N = 40


def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (N, 28, 20), dtype=np.uint8)


def faces(root: Path) -> FreyFaces:
    return FreyFaces(data_dir=str(root), split=Split("last", 5, 5), binarize="none")


def everything(root: Path) -> torch.Tensor:
    return torch.cat([part.grey() for part in faces(root).parts.values()])


@pytest.mark.parametrize("folder", [".", "freyfaces"])
def test_frames_are_those_of_the_npz(tmp_path, folder):
    (tmp_path / folder).mkdir(exist_ok=True)
    np.savez(tmp_path / folder / "freyfaces.npz", images=frames())
    assert_close(everything(tmp_path), torch.from_numpy(frames()[:, None] / 255).float())
    assert faces(tmp_path).spec["x"].levels == 256


@pytest.mark.parametrize("folder", [".", "freyfaces"])
def test_frames_are_the_columns_of_the_original_mat(tmp_path, folder):
    (tmp_path / folder).mkdir(exist_ok=True)
    savemat(tmp_path / folder / "frey_rawface.mat", {"ff": frames().reshape(N, 560).T})
    assert_close(everything(tmp_path), torch.from_numpy(frames()[:, None] / 255).float())


@pytest.mark.parametrize("shape", [(N, 20, 28), (N, 28, 28), (N, 3, 28, 20)], ids=str)
def test_frames_of_another_shape_are_refused(tmp_path, shape):
    np.savez(tmp_path / "freyfaces.npz", images=np.full(shape, 7, np.uint8))
    with pytest.raises(DataError, match=r"\(1, 28, 20\) was expected"):
        _ = faces(tmp_path).parts


def test_a_mat_of_another_shape_or_name_is_refused(tmp_path):
    for arrays in ({"ff": np.zeros((561, N), np.uint8)}, {"gg": np.zeros((560, N), np.uint8)}):
        savemat(tmp_path / "frey_rawface.mat", arrays)
        with pytest.raises(DataError, match=r"frey_rawface\.mat"):
            _ = faces(tmp_path).parts


@pytest.mark.parametrize("keep", [0, 50, 100, 128, 150, 1000, -10])
def test_a_truncated_mat_is_refused_by_name(tmp_path, keep):
    path = tmp_path / "frey_rawface.mat"
    savemat(path, {"ff": frames().reshape(N, 560).T})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"frey_rawface\.mat"):
        _ = faces(tmp_path).parts


def test_missing_files_are_refused_with_their_names_and_place(tmp_path):
    with pytest.raises(DataError, match=r"freyfaces\.npz or frey_rawface\.mat") as refused:
        _ = faces(tmp_path).parts
    assert str(tmp_path) in str(refused.value)
