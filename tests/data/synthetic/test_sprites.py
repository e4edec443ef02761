"""Sprites: the grid, its images, and the file of dSprites read by the same class."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from vaebench.data import Split, Sprites, Support
from vaebench.data.synthetic import sprites
from vaebench.errors import DataError

WHOLE = [3, 6, 40, 32, 32]
SPLIT = Split("random", 0.1, 0.1)
DIGEST = "d5c4d6b800bcdd0b95047cbb20495c5b616a2a6456b839792f5999d794f18600"
"""Of all templates' bits: the images are the same on every machine."""


def of(grid=WHOLE, path="", split=SPLIT):
    return Sprites(path=path, grid=grid, split=split)


def test_the_grid_is_that_of_dsprites_and_every_combination_is_in_one_split():
    data = of()
    assert data.size == 737_280 == sum(map(len, data.index.values()))
    assert {f.levels for n, f in data.spec.fields.items() if n != "x"} == {3, 6, 40, 32}
    assert data.spec["x"].support is Support.BINARY
    small = of([3, 2, 2, 4, 4])
    rows = torch.cat([small.split(part).columns["x"].stored for part in ("train", "val", "test")])
    assert len(rows.unique(dim=0)) == len(rows) == small.size == 192


def test_templates_are_the_same_bits_everywhere_and_no_sprite_is_cut():
    found = sprites.templates()
    packed = np.packbits(found.numpy())
    assert hashlib.sha256(packed.tobytes()).hexdigest() == DIGEST
    for edge in (found[..., 0, :], found[..., -1, :], found[..., :, 0], found[..., :, -1]):
        assert not edge.any()


def test_a_square_is_a_square_an_ellipse_an_ellipse_and_sizes_grow_alike():
    area = sprites.templates().double().sum((-1, -2)).mean(2)
    scale = torch.arange(5, 11).double() / 10
    assert_close(area[0] / scale.square(), torch.full((6,), 484.0).double(), rtol=0.1, atol=0)
    expected = torch.full((6,), math.pi * 15 * 9).double()
    assert_close(area[1] / scale.square(), expected, rtol=0.05, atol=0)
    assert (area.diff(dim=1) > 0).all()


def test_a_quarter_turn_turns_the_image_and_a_step_moves_it():
    data = of()
    values = torch.tensor([[2, 5, 3, 7, 9], [2, 5, 13, 7, 9], [2, 5, 3, 8, 9], [2, 5, 3, 7, 10]])
    start, turned, right, below = data.render(values)[:, 0]
    box = (slice(9, 42), slice(7, 40))
    assert_close(torch.rot90(start[box], -1), turned[box])
    assert_close(start.roll(1, 1), right)
    assert_close(start.roll(1, 0), below)


def test_a_coarse_grid_is_a_part_of_the_whole_and_labels_count_its_own_values():
    coarse, whole = of([3, 3, 4, 8, 2]), of()
    values = torch.tensor([[2, 1, 3, 7, 1]])
    assert_close(coarse.render(values), whole.render(torch.tensor([[2, 2, 30, 28, 16]])))
    batch = coarse.split("train").batch(torch.arange(100))
    assert {n: int(batch[n].max()) + 1 for n in coarse.levels} == coarse.levels
    assert_close(coarse.render(torch.stack([batch[n] for n in coarse.levels], 1)), batch["x"])


def test_numbers_count_the_last_factor_fastest():
    found = of([3, 2, 2, 4, 5]).values(torch.tensor([0, 1, 5, 239]))
    assert found.tolist() == [[0, 0, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 1, 0], [2, 1, 1, 3, 4]]


def test_the_mean_image_and_the_shares_of_values_are_those_of_the_training_split():
    data = of([3, 2, 2, 4, 4])
    batch = data.split("train").batch(torch.arange(len(data.split("train"))))
    assert_close(data.spec["x"].mean, batch["x"].mean(0))
    shares = batch["shape"].bincount(minlength=3) / len(batch["shape"])
    assert_close(data.spec["shape"].mean, shares.float())


def test_draws_are_of_independent_factors_and_repeat_with_their_generator():
    data = of()
    found = data.drawn(4000, torch.Generator().manual_seed(1))
    values = torch.stack([found[name] for name in data.levels], 1)
    assert_close(found["x"][:5], data.render(values[:5]))
    for name, levels in data.levels.items():
        mean, sd = (levels - 1) / 2, math.sqrt((levels**2 - 1) / 12)
        z = (found[name].double().mean() - mean) / (sd / math.sqrt(4000))
        assert abs(z) < 4
    again = data.drawn(4000, torch.Generator().manual_seed(1))
    assert torch.equal(found["shape"], again["shape"])


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A file like that of dSprites, of fewer values."""
    few = {"shape": 3, "scale": 2, "orientation": 2, "pos_x": 3, "pos_y": 2}
    monkeypatch.setattr(sprites, "FACTORS", few)
    monkeypatch.setattr(sprites, "ROWS", 7)
    data, path = of([*few.values()]), tmp_path / "dsprites.npz"
    values = data.values(torch.arange(data.size))
    images = data.render(values)[:, 0].byte().numpy()
    classes = np.concatenate([np.zeros((len(values), 1), int), values.numpy()], 1)
    np.savez_compressed(path, imgs=images, latents_classes=classes, metadata=np.array("seen"))
    return path, images, classes, data


def test_a_file_is_held_as_bits_and_gives_the_same_batches(file):
    path, _, _, rendered = file
    read = of(rendered.grid, str(path))
    values = rendered.values(torch.arange(rendered.size))
    assert_close(read.render(values), rendered.render(values))
    assert read._bits.on(torch.device("cpu")).numel() == 512 * rendered.size
    assert_close(of([3, 2, 1, 2, 1], str(path)).render(values[:1]), rendered.render(values[:1]))


def test_what_is_no_such_file_is_refused(file, tmp_path):
    path, images, classes, data = file
    other = tmp_path / "other.npz"
    np.savez(other, imgs=images, latents_classes=classes[::-1])
    for name, told in ((other, "are not those of dSprites"), (tmp_path / "no", "no such file")):
        with pytest.raises(DataError, match=told):
            _ = of(data.grid, str(name)).spec
    np.savez(other, imgs=images[:, :32], latents_classes=classes)
    with pytest.raises(DataError, match="64x64 bytes are expected"):
        _ = of(data.grid, str(other)).spec
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="truncated or corrupt"):
        _ = of(data.grid, str(path)).spec


@pytest.mark.parametrize("grid", [[3, 6], [3, 6, 41, 32, 32], [0, 6, 40, 32, 32]])
def test_a_grid_that_there_is_not_is_refused(grid):
    with pytest.raises(DataError, match=r"Use dataset.grid=\[3,6,40,32,32\]"):
        of(grid)
