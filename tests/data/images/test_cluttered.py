"""Cluttered canvases: what is painted, where, of which digits, and what is kept of it."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import assert_mean
from vaebench.data import MNIST, Cluttered, Digits, Split, Support
from vaebench.errors import DataError

SIDE = 24


def data(**options) -> Cluttered:
    return Cluttered(**({"data_dir": "nowhere", "canvas": 30} | options))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def by_hand(paint, plan: torch.Tensor) -> torch.Tensor:
    """One canvas, thing by thing and pixel by pixel of it."""
    paper = torch.zeros(paint.canvas, paint.canvas, dtype=torch.long)
    for thing, (number, top, left, row, column) in enumerate(plan.tolist()):
        side = paint.cut if thing else paint.side
        what = paint.digits.tensor[number, top : top + side, left : left + side].long()
        assert what.shape == (side, side)
        where = paper[row : row + side, column : column + side]
        assert where.shape == (side, side)
        where.copy_(torch.maximum(where, what))
    return paper / (paint.levels - 1)


def test_a_canvas_is_its_plan_painted_thing_by_thing():
    paint = data().canvases["train"]
    plans = paint.drawn(torch.arange(30), generator())
    assert plans.shape == (30, 5, 5)
    for plan, canvas in zip(plans, paint.painted(plans), strict=True):
        assert_close(canvas[0], by_hand(paint, plan))


def test_without_pieces_on_a_canvas_of_its_size_there_is_the_digit():
    bare = data(canvas=SIDE, pieces=0).split("test")
    digits = Digits(split=Split("random", 200, 400), binarize="none").split("test")
    index = torch.arange(50)
    found, small = bare.batch(index), digits.batch(index)
    assert_close(found["x"], small["x"].repeat_interleave(3, -1).repeat_interleave(3, -2))
    assert_close(found["y"], small["y"])


def test_pieces_are_of_other_digits_of_the_same_split_and_places_anywhere():
    paint = data().canvases["val"]
    plans = paint.drawn(torch.arange(200).repeat(20), generator())
    assert (plans[:, 1:, 0] != plans[:, :1, 0]).all()
    assert torch.isin(plans[:, :, 0], paint.rows.tensor).all()
    assert (plans[:, 0, 1:3] == 0).all()
    for things, column, high in ((0, 3, 30 - SIDE), (1, 1, SIDE - 8), (1, 3, 30 - 8)):
        for corner in (plans[:, things, column], plans[:, things, column + 1]):
            assert (corner.min(), corner.max()) == (0, high)
            assert_mean(corner, high / 2)


def test_held_out_canvases_are_the_same_whoever_is_beside_them():
    held = data().split("test")
    whole = held.batch(torch.arange(40))["x"]
    assert_close(held.batch(torch.tensor([7, 31]))["x"], whole[[7, 31]])
    assert_close(data().split("test").batch(torch.arange(40))["x"], whole)
    other = data(seed=1).split("test").batch(torch.arange(40))["x"]
    assert not torch.equal(other, whole)


def test_training_canvases_are_drawn_afresh_and_the_same_for_a_seed():
    train, index = data().split("train"), torch.arange(20)
    ours = generator(5)
    first, second = (train.batch(index, ours)["x"] for _ in range(2))
    assert not torch.equal(first, second)
    assert_close(train.batch(index, generator(5))["x"], first)


def test_no_canvas_is_kept():
    made = data(canvas=100)
    for part in ("train", "val", "test"):
        stored = made.split(part).columns["x"].stored
        assert stored.numel() <= len(made.split(part)) * 5 * 5


def test_the_spec_is_that_of_its_batches_and_nothing_else_is_drawn_for_it():
    before = torch.get_rng_state()
    spec = data().spec
    assert torch.equal(torch.get_rng_state(), before)
    batch = data().split("train").batch(torch.arange(100), generator())
    assert spec["x"].fits(batch["x"])
    assert (spec["x"].support, spec["x"].levels) == (Support.LEVELS, 17)
    assert_close((16 * batch["x"]).round() / 16, batch["x"])
    assert spec["x"].mean.shape == (1, 30, 30)
    assert (spec.size, spec["y"].levels) == (1197, 10)


def test_where_mnist_is_not_the_embedded_digits_are_and_it_is_told():
    assert "scikit-learn" in " ".join(data().notes)
    assert data(source="digits").notes == []
    assert data().protocol["source"] == "Digits"
    assert isinstance(data(source="mnist").source, MNIST)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"canvas": 20}, "dataset.canvas=20: a digit has 24 rows"),
        ({"cut": 25}, "dataset.cut=25: a digit has 24 rows"),
        ({"cut": 0}, "dataset.cut=0: at least 1"),
        ({"pieces": -1}, "dataset.pieces=-1: at least 0"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(options, match):
    with pytest.raises(DataError, match=match):
        _ = data(**options).spec
