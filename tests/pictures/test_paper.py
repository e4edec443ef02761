"""Boxes on images."""

import numpy as np
import pytest
import torch

from vaebench.pictures.paper import SHORTEST_SIDE, Box, boxed

RED = (255, 0, 0)


@pytest.mark.parametrize("side", [8, 48])
def test_a_box_runs_through_the_middles_of_the_pixels_that_it_names(side):
    images = torch.zeros(1, 1, side, side)
    factor = SHORTEST_SIDE // side
    shown = (boxed(images, [[Box(2, 3, 6, 7)]], RED)[0, 0] > 0).numpy()
    rows, columns = np.nonzero(shown.any(1))[0], np.nonzero(shown.any(0))[0]
    for found, ends in ((columns, (2, 6)), (rows, (3, 7))):
        middles = [(end - 0.5) * factor for end in ends]
        assert np.abs(np.array([found[0], found[-1]]) - middles).max() <= 1


def test_each_image_has_its_own_box_and_keeps_its_values_elsewhere():
    images = torch.full((2, 3, 48, 48), 0.4)
    shown = boxed(images, [[Box(1, 1, 5, 5), Box(20, 20, 30, 30)]], RED)
    assert shown[0, :, 20:, 20:].sub(0.4).abs().max() < 1e-2
    assert shown[1, :, :10, :10].sub(0.4).abs().max() < 1e-2
    assert (shown[1] != shown[0]).any()


def test_without_boxes_images_are_only_enlarged_and_coloured():
    assert boxed(torch.rand(2, 1, 8, 8), [], RED).shape == (2, 3, 48, 48)
