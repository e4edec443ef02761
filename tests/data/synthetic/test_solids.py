"""Solids: what areas, shades and depths their pictures have in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from vaebench.data.synthetic.solids import Camera, Solid, lit, pictures, stacked

RED, BLUE = (0.8, 0.1, 0.2), (0.1, 0.2, 0.9)
SIZE = 128


def seen(*solids, azimuth=0.0, elevation=0.0, light=0.0, height=0.0, plane=None):
    camera = Camera.at(torch.tensor([azimuth]), torch.tensor([elevation]), plane)
    direction = lit(torch.tensor([light]), camera, height)
    image, mask = pictures(stacked([solids]).of(torch.tensor([0])), camera, direction, SIZE, 0.25)
    return image[0], mask[0, 0]


@pytest.mark.parametrize(("azimuth", "elevation"), [(0.0, 0.0), (1.0, 0.3), (-2.0, 1.2)])
def test_a_ball_is_a_disc_from_all_sides_with_the_shade_of_its_normal(azimuth, elevation):
    image, mask = seen(
        Solid("ellipsoid", (0, 0, 0), (0.6, 0.6, 0.6), RED), azimuth=azimuth, elevation=elevation
    )
    assert_close(mask.mean().item(), math.pi * 0.36 / 4, rtol=0.01, atol=0)
    step = (2 * torch.arange(SIZE) + 1) / SIZE - 1
    square = (step.unsqueeze(0).square() + step.unsqueeze(1).square()) / 0.36
    cosine = (1 - square).clamp_min(0).sqrt()
    for channel, colour in zip(image, RED, strict=True):
        expected = torch.where(mask > 0, colour * (0.25 + 0.75 * cosine), 1.0)
        assert_close(channel, expected, rtol=0, atol=2e-3)


def test_a_box_shows_one_face_from_the_front_and_its_diagonal_from_a_corner():
    box = Solid("box", (0, 0, 0), (0.5, 0.25, 0.5), RED)
    image, mask = seen(box)
    assert_close(mask.mean().item(), 0.125, rtol=1e-3, atol=0)
    assert_close(image[:, mask > 0].mean(1), torch.tensor(RED))
    image, mask = seen(box, azimuth=math.pi / 4)
    assert_close(mask.mean().item(), 0.125 * math.sqrt(2), rtol=0.02, atol=0)
    dim = 0.25 + 0.75 * math.sqrt(0.5)
    assert_close(
        image[:, mask > 0], torch.tensor(RED).unsqueeze(1) * dim * torch.ones(int(mask.sum()))
    )


def test_a_cylinder_is_a_disc_along_its_axis_and_a_rectangle_from_the_side():
    rod = Solid("cylinder", (0, 0, 0), (0.5, 0.3, 0.3), RED)
    image, mask = seen(rod, azimuth=math.pi / 2)
    assert_close(mask.mean().item(), math.pi * 0.09 / 4, rtol=0.02, atol=0)
    assert_close(image[0, mask > 0], torch.full((int(mask.sum()),), RED[0]))
    image, mask = seen(rod)
    assert_close(mask.mean().item(), 0.15, rtol=0.03, atol=0)
    standing = Solid("cylinder", (0, 0, 0), (0.5, 0.3, 0.3), RED, upright=True)
    _, turned = seen(standing)
    assert_close(turned, mask.T)


def test_the_nearer_hides_the_farther_and_lack_is_no_solid():
    front = Solid("box", (0, 0, 0.5), (0.2, 0.2, 0.1), RED)
    back = Solid("ellipsoid", (0, 0, -0.5), (0.2, 0.2, 0.2), BLUE)
    whole = stacked([[front, back], [back], []])
    camera = Camera.at(torch.tensor([0.0, math.pi, 0.0, 0.0]), torch.zeros(4))
    image, mask = pictures(whole.of(torch.tensor([0, 0, 1, 2])), camera, camera.towards, 8)
    middle = image[:, :, 4, 4]
    assert middle[0, 0] > middle[0, 2]
    assert middle[1, 2] > middle[1, 0]
    assert middle[2, 2] > middle[2, 0]
    assert mask[3].sum() == 0
    assert (image[3] == 1).all()


def test_a_tilted_box_leans_back_and_its_reach_is_its_furthest_corner():
    board = Solid("box", (0, 0, 0), (0.3, 0.6, 0.05), RED, tilt=0.5)
    _, mask = seen(board, azimuth=math.pi / 2)  # from its right: back is to the right
    columns = torch.arange(SIZE).float()
    top, bottom = mask[: SIZE // 2].mean(0), mask[SIZE // 2 :].mean(0)
    assert (top @ columns) / top.sum() > (bottom @ columns) / bottom.sum() + 5
    assert_close(board.reach, math.sqrt(0.09 + 0.36 + 0.0025))


def test_a_map_of_the_plane_moves_the_picture():
    ball = Solid("ellipsoid", (0.1, 0.2, 0), (0.3, 0.2, 0.4), RED)
    plane = torch.tensor([[[1.0, 0, -10 * 2 / SIZE], [0, 1, 6 * 2 / SIZE]]])
    still, _ = seen(ball, azimuth=0.4, light=0.3)
    moved, _ = seen(ball, azimuth=0.4, light=0.3, plane=plane)
    assert_close(moved, still.roll((6, 10), (1, 2)), rtol=0, atol=2e-3)
