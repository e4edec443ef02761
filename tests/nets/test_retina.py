"""The retina: what its crops show, and that outside the image there is nothing."""

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from vaebench.nets.retina import Retina

SIZES = [(8, 8), (9, 6)]
each_size = pytest.mark.parametrize("size", SIZES, ids=str)


def by_hand(image: torch.Tensor, place: torch.Tensor, n: int, scale: int) -> torch.Tensor:
    """A crop `[C, n, n]` cut out of an image `[C, H, W]` in a wide frame of zeros, then averaged."""
    wide, frame = n * 2**scale, 100
    framed = F.pad(image, (frame,) * 4)
    height, width = image.shape[-2:]
    x, y = ((place + 1) / 2 * torch.tensor([width, height])).tolist()
    top, left = round(y - wide / 2) + frame, round(x - wide / 2) + frame
    return F.avg_pool2d(framed[:, top : top + wide, left : left + wide], 2**scale)


def places(*lead: int) -> torch.Tensor:
    return 2.4 * torch.rand(*lead, 2, generator=torch.Generator().manual_seed(0)) - 1.2


@each_size
@pytest.mark.parametrize("n", [3, 4])
def test_a_crop_is_cut_out_of_a_frame_of_zeros_and_averaged(size, n):
    images, where = torch.rand(20, 2, *size), places(20)
    found = Retina(n, 3, size)(images, where).unflatten(1, (2, 3))
    for image, place, crops in zip(images, where, found, strict=True):
        for scale in range(3):
            assert_close(crops[:, scale], by_hand(image, place, n, scale))


def test_a_glimpse_wholly_outside_is_zeros_and_one_at_the_edge_is_not():
    retina, image = Retina(4, 1, (8, 8)), torch.ones(1, 8, 8)
    outside = torch.tensor([[-1.5, 0.0], [0.0, 1.5], [2.0, -2.0], [1e6, 0.0]])
    assert_close(retina(image, outside), torch.zeros(4, 1, 4, 4), rtol=0, atol=0)
    corner = retina(image, torch.tensor([-1.0, -1.0]))[0]
    assert_close(corner, F.pad(torch.ones(2, 2), (2, 0, 2, 0)))


@each_size
def test_a_crop_as_large_as_the_image_shows_it(size):
    side = max(size)
    image = torch.rand(3, side, side)
    assert_close(Retina(side, 1, (side, side))(image, torch.zeros(2)), image)


def test_what_is_seen_is_linear_in_the_image_and_has_no_slope_in_the_place():
    retina, where = Retina(2, 2, (6, 6)), torch.zeros(2, requires_grad=True)
    image = torch.rand(1, 6, 6, requires_grad=True)
    seen = retina(image, where)
    assert torch.autograd.grad(seen.sum(), image, retain_graph=True)[0].abs().sum() > 0
    assert torch.autograd.grad(seen.sum(), where, allow_unused=True) == (None,)


def test_samples_and_examples_are_seen_as_if_one_by_one():
    retina, images, where = Retina(3, 2, (7, 5)), torch.rand(4, 1, 7, 5), places(6, 4)
    together = retina(images, where)
    for k in range(6):
        for b in range(4):
            assert_close(together[k, b], retina(images[b], where[k, b]))


def test_corners_are_those_of_what_is_seen():
    retina, where = Retina(2, 2, (9, 9)), torch.tensor([0.0, 0.5])
    for scale, (left, top) in enumerate(retina.corners(where).int().tolist()):
        image, wide = torch.zeros(1, 9, 9), 2 * 2**scale
        image[:, max(0, top) : top + wide, max(0, left) : left + wide] = 1
        seen = retina(image, where)[scale]
        assert_close(seen.sum() * 4**scale, image.sum())
