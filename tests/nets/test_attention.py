"""The grid of Gaussian filters: what it reads, what it writes, where it lies."""

import math

import pytest
import torch
from torch.testing import assert_close

from vaebench.nets.attention import Reader, Writer, window

SIZES = [(8, 8), (28, 28), (28, 20), (5, 9), (1, 6)]
each_size = pytest.mark.parametrize("size", SIZES, ids=str)
SHARP = -18.0
"""log σ² of a filter that sees one pixel alone."""


@pytest.fixture(autouse=True)
def in_float64():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def params(x=0.0, y=0.0, log_variance=SHARP, log_stride=0.0, log_gamma=0.0) -> torch.Tensor:
    """(ĝ_X, ĝ_Y, log σ², log δ̂, log γ)."""
    return torch.tensor([x, y, log_variance, log_stride, log_gamma])


def anywhere(*lead: int, seed: int = 0) -> torch.Tensor:
    """Parameters of grids that lie about anyhow."""
    return torch.randn(*lead, 5, generator=torch.Generator().manual_seed(seed))


# ------------------------------------------------------------------------- where the filters are
def test_the_plainest_grid_of_as_many_filters_as_pixels_sits_on_the_pixels_counted_from_1():
    grid = window(params(), 28, (28, 28))
    for mean in (grid.mean_x, grid.mean_y):
        assert_close(mean.mean(), torch.tensor(14.5))
        assert_close(mean, torch.arange(1.0, 29.0))


def test_centres_and_strides_are_those_of_equations_22_to_24():
    rows, columns, n = 20, 30, 4
    grid = window(params(x=0.2, y=-0.4, log_stride=math.log(0.5)), n, (rows, columns))
    stride = (max(rows, columns) - 1) / (n - 1) * 0.5
    for mean, length, centre in ((grid.mean_x, columns, 0.2), (grid.mean_y, rows, -0.4)):
        g = (length + 1) / 2 * (centre + 1)
        assert_close(mean, torch.tensor([g + (i - n / 2 - 0.5) * stride for i in (1, 2, 3, 4)]))


def test_sd_and_gamma_are_read_from_logarithms():
    grid = window(params(log_variance=math.log(9), log_gamma=math.log(7)), 3, (8, 8))
    assert_close(torch.stack([grid.sd, grid.gamma]), torch.tensor([3.0, 7.0]))


def test_a_single_filter_needs_no_stride():
    grid = window(params(log_stride=3.0), 1, (9, 9))
    assert_close(grid.mean_x, torch.tensor([5.0]))


# ------------------------------------------------------------------------------------ the filters
@each_size
def test_filters_are_normalised_gaussians_of_the_pixels(size):
    grid = window(0.3 * anywhere(3, 2), 4, size)
    for f, mean, length in zip(grid.filters, (grid.mean_y, grid.mean_x), size, strict=True):
        a = torch.arange(1, length + 1)
        bare = (-((a - mean[..., None]) ** 2) / (2 * grid.sd[..., None, None] ** 2)).exp()
        assert_close(f, bare / bare.sum(-1, keepdim=True))


@each_size
def test_each_filter_sums_to_1_however_far_outside_it_lies(size):
    wild = torch.cat([anywhere(50), 100 * anywhere(50, seed=1)])
    for f in window(wild, 4, size).filters:
        assert_close(f.sum(-1), torch.ones(100, 4))


def test_sharp_filters_on_every_pixel_are_the_identity():
    for f in window(params(), 28, (28, 28)).filters:
        assert_close(f, torch.eye(28))


def test_wide_filters_see_the_mean_of_all_pixels():
    x = torch.rand(1, 6, 6)
    patch = window(params(log_variance=18.0), 3, (6, 6)).read(x)
    assert_close(patch, x.mean().expand(1, 3, 3), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("logs", [(80.0, 80.0, 80.0), (-80.0, 80.0, -80.0)], ids=str)
def test_parameters_that_strayed_give_finite_patches_and_gradients(logs):
    with torch.no_grad():
        wild = params(50.0, -50.0, *logs).float()
    wild.requires_grad_()
    grid = window(wild, 3, (8, 8))
    out = (
        grid.read(torch.rand(1, 8, 8).float()).sum() + grid.write(torch.rand(1, 3, 3).float()).sum()
    )
    (gradient,) = torch.autograd.grad(out, wild)
    assert out.isfinite()
    assert gradient.isfinite().all()


# ---------------------------------------------------------------------------- reading and writing
def test_reading_through_the_identity_gives_the_image_and_writing_it_gives_it_back():
    x, grid = torch.rand(4, 3, 28, 28), window(params(), 28, (28, 28))
    assert_close(grid.read(x), x)
    assert_close(grid.write(grid.read(x)), x)


def test_gamma_multiplies_what_is_read_and_divides_what_is_written():
    bare, strong = (window(params(log_gamma=g), 3, (8, 8)) for g in (0.0, math.log(5)))
    x, w = torch.rand(1, 8, 8), torch.rand(1, 3, 3)
    assert_close(strong.read(x), 5 * bare.read(x))
    assert_close(strong.write(w), bare.write(w) / 5)


@each_size
def test_every_patch_is_the_double_sum_over_pixels(size):
    x, grid = torch.rand(2, *size), window(anywhere(), 3, size)
    f_y, f_x = grid.filters
    patch = grid.gamma * torch.einsum("ib,cba,ja->cij", f_y, x, f_x)
    assert_close(grid.read(x), patch)


@each_size
def test_writing_is_the_adjoint_of_reading_up_to_gamma(size):
    x, w, grid = torch.rand(2, *size), torch.rand(2, 3, 3), window(anywhere(), 3, size)
    read, written = (grid.read(x) * w).sum(), (grid.write(w) * x).sum()
    assert_close(read, written * grid.gamma**2)


def test_channels_samples_and_examples_are_read_as_if_one_by_one():
    x, where = torch.rand(5, 3, 8, 9), anywhere(4, 5)
    patches = window(where, 3, (8, 9)).read(x)
    for k in range(4):
        for b in range(5):
            for c in range(3):
                alone = window(where[k, b], 3, (8, 9)).read(x[b, c][None])[0]
                assert_close(patches[k, b, c], alone)


# ------------------------------------------------------------------------------- readers, writers
def test_without_a_grid_all_pixels_of_all_images_are_read():
    x, error = torch.rand(2, 1, 4, 4), torch.rand(3, 2, 1, 4, 4)
    reader = Reader(6, (1, 4, 4), 2, 0)
    glimpses, grid = reader(torch.rand(6), reader.prepare(x), reader.prepare(error))
    assert grid is None
    assert_close(glimpses, [x.flatten(1), error.flatten(2)])
    assert reader.widths == tuple(glimpse.shape[-1] for glimpse in glimpses)


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("size", [(8, 8), (28, 20)], ids=str)
def test_a_grid_at_first_tiles_the_image_and_writes_ones_as_ones_on_average(n, size):
    reader, writer = Reader(6, (1, *size), 2, n), Writer(6, (1, *size), n)
    still = torch.zeros(6)  # the biases alone
    for attend in (reader.attend, writer.attend):
        grid, pitch = window(attend(still), n, size), max(size) / n
        assert_close(grid.mean_x.mean(), torch.tensor((size[1] + 1) / 2))
        assert_close(grid.mean_x.diff(), torch.full((n - 1,), pitch))
        assert_close(grid.sd, torch.tensor(pitch / 2))
    written = window(writer.attend(still), n, size).write(torch.ones(1, n, n))
    assert_close(written.mean(), torch.tensor(max(size) ** 2 / math.prod(size)))


def test_all_channels_of_a_canvas_are_written_whatever_they_stand_for():
    stroke, _ = Writer(6, (2, 3, 8, 9), 4)(torch.rand(5, 6))
    assert stroke.shape == (5, 2, 3, 8, 9)
