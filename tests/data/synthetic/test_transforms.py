"""Transforms of pictures: each has its inverse."""

from __future__ import annotations

import colorsys

import pytest
import torch
from torch.testing import assert_close

from vaebench.data.synthetic.transforms import (
    MOST,
    placed,
    tinted,
    to_hsv,
    to_rgb,
    unplaced,
    untinted,
)


@pytest.fixture
def transform():
    return 2 * torch.rand(32, len(MOST), generator=torch.Generator().manual_seed(0)).double() - 1


def whole(plane):
    return torch.cat([plane, plane.new_tensor([[[0.0, 0.0, 1.0]]]).expand(len(plane), 1, 3)], 1)


def test_a_transform_of_the_plane_then_its_inverse_is_the_identity(transform):
    back = whole(unplaced(transform)) @ whole(placed(transform))
    assert_close(back, torch.eye(3).double().expand_as(back))
    assert (whole(placed(transform)) - torch.eye(3)).abs().amax((1, 2)).min() > 1e-3


def test_colours_changed_and_changed_back_are_as_they_were(transform):
    rgb = torch.rand(32, 3, 5, 5, generator=torch.Generator().manual_seed(1)).double()
    changed = tinted(rgb, transform)
    assert_close(untinted(changed, transform), rgb)
    assert (changed - rgb).abs().amax((1, 2, 3)).min() > 1e-3
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_zeros_change_nothing_and_white_stays_white(transform):
    none, rgb = torch.zeros(4, len(MOST)), torch.rand(4, 3, 2, 2)
    assert_close(placed(none), torch.eye(2, 3).expand(4, 2, 3))
    assert_close(tinted(rgb, none), rgb)
    white = torch.ones(32, 3, 1, 1).double()
    assert_close(tinted(white, transform), white)


def test_hue_saturation_and_brightness_are_those_of_the_standard_library():
    rgb = torch.rand(200, 3, generator=torch.Generator().manual_seed(2)).double()
    expected = torch.tensor([colorsys.rgb_to_hsv(*row) for row in rgb.tolist()]).double()
    assert_close(to_hsv(rgb), expected, rtol=0, atol=1e-6)
    assert_close(to_rgb(to_hsv(rgb)), rgb)
