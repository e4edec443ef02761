"""Omniglot: drawings in a fixed order, inverted and averaged to 28x28."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from tests.data.public import DRAWERS, drawing, write_omniglot
from vaebench.data import Omniglot, Split, Support
from vaebench.data.images.omniglot import covered


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Options → the data set."""
    write_omniglot(tmp_path, monkeypatch)

    def opened(**options):
        defaults = {"split": Split("official", 6), "binarize": "none"}
        return Omniglot(data_dir=str(tmp_path), **(defaults | options))

    return opened


def averaged(image) -> torch.Tensor:
    """Ink averaged over squares of 3.75 pixels: each pixel repeated 4 times, then means of 15."""
    fine = torch.from_numpy(~np.asarray(image)).float()
    fine = fine.repeat_interleave(4, 0).repeat_interleave(4, 1)
    return torch.nn.functional.avg_pool2d(fine[None], 15)


def test_drawings_come_drawer_by_drawer_white_on_black_each_averaged(data):
    parts = data().parts
    who = [(a, c, d) for d in range(DRAWERS) for a in range(2) for c in range(3)]
    expected = torch.stack([averaged(drawing(*each)) for each in who])
    rest = torch.cat([parts["train"].grey(), parts["val"].grey()])
    assert_close(rest, expected, atol=0.5 / 255 + 1e-6, rtol=0)
    expected = torch.stack([averaged(drawing(0, c, d)) for d in range(DRAWERS) for c in range(3)])
    assert_close(parts["test"].grey(), expected, atol=0.5 / 255 + 1e-6, rtol=0)


def test_the_last_drawer_s_characters_of_every_alphabet_validate(data):
    last = [averaged(drawing(a, c, DRAWERS - 1)) for a in range(2) for c in range(3)]
    assert_close(data().parts["val"].grey(), torch.stack(last), atol=0.5 / 255 + 1e-6, rtol=0)


def test_the_spec_is_that_of_28_by_28_bytes_without_labels(data):
    spec = data().spec
    assert spec["x"].shape == (1, 28, 28)
    assert (spec["x"].support, spec["x"].levels) == (Support.LEVELS, 256)
    assert set(spec.fields) == {"x"}
    assert data(binarize="dynamic").spec["x"].support is Support.BINARY


def test_a_run_says_that_these_are_not_the_files_of_burda(data):
    assert "do not compare" in data().notes[0]


@pytest.mark.parametrize(("pixels", "size"), [(105, 28), (6, 3), (5, 5), (3, 2)])
def test_every_pixel_is_shared_out_among_equal_intervals(pixels, size):
    cover = covered(pixels, size)
    assert cover.shape == (size, pixels)
    assert np.allclose(cover.sum(1), 1)
    assert np.allclose(cover.sum(0), size / pixels)
    assert (cover >= 0).all()
