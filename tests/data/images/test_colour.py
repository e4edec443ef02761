"""CIFAR-10 and SVHN: images and labels are those of the files, patches lie inside of the images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from tests.data.public import BATCH, TEST, TRAIN, labels, pictures, write_cifar10, write_svhn
from vaebench.data import CIFAR10, SVHN, Split, Support
from vaebench.data.images.colour import patches
from vaebench.errors import DataError

VAL = 10
WRITERS = {CIFAR10: write_cifar10, SVHN: write_svhn}


@pytest.fixture(params=[CIFAR10, SVHN])
def kind(request):
    return request.param


@pytest.fixture
def files(tmp_path, monkeypatch, kind):
    return WRITERS[kind](tmp_path, monkeypatch, pictures(TRAIN), pictures(TEST))


@pytest.fixture
def data(tmp_path, kind, files):
    """Options → the data set."""

    def opened(**options):
        defaults = {"split": Split("official", VAL), "binarize": "none"}
        return kind(data_dir=str(tmp_path), **(defaults | options))

    return opened


def test_images_and_labels_are_those_of_the_files(data, kind):
    parts = data().parts
    sizes = {"train": TRAIN - VAL, "val": VAL, "test": TEST}
    assert {part: len(p) for part, p in parts.items()} == sizes
    rest = torch.cat([parts["train"].grey(), parts["val"].grey()])
    assert_close(rest, torch.from_numpy(pictures(TRAIN) / 255).float())
    assert_close(parts["test"].grey(), torch.from_numpy(pictures(TEST) / 255).float())
    each = np.tile(labels(BATCH), 5) if kind is CIFAR10 else labels(TRAIN)
    assert torch.cat([parts["train"].y, parts["val"].y]).tolist() == each.tolist()
    assert parts["test"].y.tolist() == labels(TEST).tolist()


def test_the_spec_is_that_of_32_by_32_colours(data):
    spec = data().spec
    assert spec["x"].shape == (3, 32, 32)
    assert (spec["x"].support, spec["x"].levels) == (Support.LEVELS, 256)
    assert spec["y"].levels == 10
    assert data(dequantize=True).spec["x"].support is Support.UNIT


def test_patches_are_crops_of_their_images_in_every_corner():
    images = np.arange(500 * 3 * 5 * 7).reshape(500, 3, 5, 7)
    cut = patches(images, 4, seed=0)
    assert cut.shape == (500, 3, 4, 4)
    corners = set()
    for image, patch in zip(images, cut, strict=True):
        place = patch[0, 0, 0] - image[0, 0, 0]
        top, left = place // 7, place % 7
        assert (patch == image[:, top : top + 4, left : left + 4]).all()
        corners.add((top, left))
    assert corners == {(top, left) for top in range(2) for left in range(4)}


def test_patches_are_the_same_whenever_they_are_read(data):
    first = data(patch=8).parts
    torch.manual_seed(7)
    np.random.seed(7)
    again = data(patch=8).parts
    for part, raw in first.items():
        assert raw.grey().shape[1:] == (3, 8, 8)
        assert raw.grey().equal(again[part].grey())


def test_a_patch_is_one_of_its_own_image_with_its_label(data):
    whole, cut = data().parts, data(patch=8).parts
    for part in ("train", "val", "test"):
        windows = whole[part].grey().unfold(2, 8, 1).unfold(3, 8, 1)
        same = (windows == cut[part].grey()[:, :, None, None]).all(-1).all(-1).all(1)
        assert same.any(-1).any(-1).all()
        assert cut[part].y.equal(whole[part].y)


def test_training_and_test_patches_lie_at_places_of_their_own(tmp_path, monkeypatch):
    ramp = np.broadcast_to(np.arange(32, dtype=np.uint8), (TRAIN, 3, 32, 32))
    write_svhn(tmp_path, monkeypatch, ramp, ramp)
    split = Split("official", VAL)
    parts = SVHN(data_dir=str(tmp_path), split=split, binarize="none", patch=8).parts
    assert not parts["train"].grey()[:VAL].equal(parts["test"].grey()[:VAL])


def test_a_patch_of_the_whole_side_is_the_image(data):
    assert data(patch=32).parts["test"].grey().equal(data().parts["test"].grey())


def test_a_run_records_its_patches_and_says_so(data):
    assert data().protocol["patch"] == 0
    assert data().notes == []
    assert data(patch=8).protocol["patch"] == 8
    assert "8x8" in data(patch=8).notes[0]


@pytest.mark.parametrize("patch", [-1, 33])
def test_a_patch_larger_than_the_image_is_refused(data, patch):
    with pytest.raises(DataError, match=r"Use dataset\.patch=0\.$"):
        data(patch=patch)
