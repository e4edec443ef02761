"""Columns: stored rows behind an access, in memory or mapped."""

from functools import partial

import pytest
import torch
from torch.testing import assert_close

from vaebench.data import Column, Digits, InMemorySplit, Loader, MappedSplit, Split
from vaebench.data.access import dynamic_binarization, floats, grey_levels
from vaebench.data.columns import CHUNK
from vaebench.data.protocol import thresholds

N = 40
STORED = torch.arange(N * 6, dtype=torch.uint8).view(N, 2, 3)
ROWS = torch.randperm(N, generator=torch.Generator().manual_seed(0))[:25]
KINDS = [InMemorySplit, MappedSplit]


def halves(rows, generator):
    """An image and a mask of one stored row, and which factor it has."""
    return {"image": rows[:, 0].float(), "mask": (rows[:, 1] > 9).float(), "factor": rows[:, 0, 0]}


def split(kind=InMemorySplit, **options) -> InMemorySplit:
    columns = {
        "x": Column(STORED, partial(grey_levels, levels=256), ROWS),
        "two": Column(STORED, halves, ROWS),
    }
    return kind(columns | {"y": Column(ROWS)}, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_holds_the_rows_of_its_examples_behind_their_access(kind):
    index = torch.tensor([3, 0, 24])
    batch = split(kind).batch(index)
    assert_close(batch["x"], STORED[ROWS[index]] / 255, atol=0, rtol=0)
    assert torch.equal(batch["y"], ROWS[index])


@pytest.mark.parametrize("kind", KINDS)
def test_an_access_makes_several_names_of_one_row(kind):
    index = torch.tensor([7, 7, 1])
    batch = split(kind).batch(index)
    assert set(batch) == {"x", "image", "mask", "factor", "y"}
    assert torch.equal(batch["image"], STORED[ROWS[index], 0].float())
    assert torch.equal(batch["mask"], (STORED[ROWS[index], 1] > 9).float())
    assert torch.equal(batch["factor"], STORED[ROWS[index], 0, 0])


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_examples_are_those_of_the_split(kind):
    first = split(kind).first(4)
    assert len(first) == 4
    assert torch.equal(first.batch(torch.arange(4))["y"], ROWS[:4])
    assert torch.equal(first.batch(torch.arange(4))["image"], STORED[ROWS[:4], 0].float())


# ------------------------------------------------------------------------------------ row numbers
@pytest.mark.parametrize("kind", KINDS)
def test_row_numbers_come_on_request_alone(kind):
    index = torch.tensor([5, 2])
    assert "index" not in split(kind).batch(index)
    assert torch.equal(split(kind, numbered=True).batch(index)["index"], index)
    assert "index" in split(kind, numbered=True).to("cpu").first(9).batch(index)


def test_row_numbers_stay_with_their_examples_in_a_loader_and_its_processes():
    parts = [Loader(split(numbered=True), 6, shuffle=True, rank=r, world=2) for r in range(2)]
    seen = []
    for loader in parts:
        for batch in loader:
            assert torch.equal(batch["y"], ROWS[batch["index"]])
            seen += batch["index"].tolist() if loader.share else []
    assert sorted(seen) == list(range(len(ROWS)))


# ------------------------------------------------------------------------------------------ places
def test_only_the_rows_of_the_split_move_to_a_device_and_as_stored():
    moved = split().to("meta")
    assert moved.device == torch.device("meta")
    assert moved.columns["x"].stored.shape == (25, 2, 3)
    assert moved.columns["x"].stored.dtype is torch.uint8
    assert moved.batch(torch.arange(3, device="meta"))["x"].shape == (3, 2, 3)


def test_rows_that_move_are_those_of_the_split():
    """`cpu:0` is another name for where they are."""
    moved, index = split().to("cpu:0"), torch.tensor([4, 20])
    assert moved.columns["x"].rows is None
    assert torch.equal(moved.batch(index)["x"], split().batch(index)["x"])


def test_what_is_in_place_is_not_copied():
    assert split().to("cpu").columns["x"].stored is STORED
    assert split().first(3).columns["x"].stored is STORED


def test_a_mapped_split_stays_where_it_is_and_its_batches_move():
    moved = split(MappedSplit, numbered=True).to("meta")
    assert moved.columns["x"].stored is STORED
    assert moved.first(5).device == moved.device == torch.device("meta")
    assert {v.device.type for v in moved.batch(torch.arange(3)).values()} == {"meta"}
    for batch in Loader(moved, 4, shuffle=True):
        assert batch["image"].device.type == "meta"


def test_parts_of_one_file_share_it():
    data = Digits(split=Split("random", 200, 400), binarize="none")
    stored = [data.split(part).columns["x"].stored for part in ("train", "val", "test")]
    assert stored[0].dtype is torch.uint8
    assert {s.data_ptr() for s in stored} == {stored[0].data_ptr()}


def test_bits_that_are_drawn_once_are_kept_in_bytes():
    data = Digits(split=Split("random", 200, 400), binarize="dynamic")
    assert data.split("test").columns["x"].stored.dtype is torch.uint8
    assert data.split("train").columns["x"].stored.dtype is torch.int16


# ------------------------------------------------------------------------------------------ chunks
@pytest.mark.parametrize("n", [1, CHUNK, 2 * CHUNK + 5])
def test_draws_in_chunks_are_the_draws_of_all(n):
    grey = torch.rand(n, 3, generator=torch.Generator().manual_seed(0))
    first, second = (torch.Generator().manual_seed(1) for _ in range(2))
    column = Column(thresholds(grey), dynamic_binarization)
    found = column.computed(lambda rows: dynamic_binarization(rows, first))
    assert torch.equal(found, dynamic_binarization(thresholds(grey), second))


@pytest.mark.parametrize("n", [4, CHUNK, 2 * CHUNK + 5])
def test_of_labels_it_is_told_how_often_each_class_occurs(n):
    y = torch.randint(4, (n, 2), generator=torch.Generator().manual_seed(0))
    split = InMemorySplit({"x": Column(torch.rand(n)), "y": Column(y), "number": Column(y[:, 0])})
    found = split.means({"y": 4, "number": n + 1})
    assert set(found) == {"x", "y"}, "as many classes as examples tell nothing"
    expected = torch.nn.functional.one_hot(y, 4).double().mean(0).T.float()
    assert_close(found["y"], expected, atol=0, rtol=1e-7)


@pytest.mark.parametrize("n", [1, CHUNK, 2 * CHUNK + 5])
def test_means_are_those_of_all_examples_by_name(n):
    x = torch.rand(n, 3, generator=torch.Generator().manual_seed(0))
    split = InMemorySplit(
        {"x": Column(x), "y": Column(torch.arange(n)), "z": Column(2 * x, floats)}
    )
    found = split.means()
    assert set(found) == {"x", "z"}
    assert_close(found["x"], x.double().mean(0).float(), atol=0, rtol=0)
    assert_close(found["z"], 2 * found["x"])
