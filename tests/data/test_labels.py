"""Few labels: balanced draws of them, batches that hold their share, held-out examples without."""

from __future__ import annotations

import re

import pytest
import torch

from vaebench.data import Digits, Loader, Split
from vaebench.data.labels import balanced, check_without
from vaebench.errors import DataError

Y = torch.arange(3).repeat_interleave(torch.tensor([5, 9, 20]))
PARTS = ("train", "val", "test")


def digits(**options):
    return Digits(split=Split("random", 200, 400), binarize="dynamic", **options)


def whole(data, part):
    split = data.split(part)
    return split.batch(torch.arange(len(split)))


# --------------------------------------------------------------------------------- which are drawn
@pytest.mark.parametrize("labels", [3, 7, 11, 15])
def test_a_draw_is_balanced_or_one_more_of_some_classes(labels):
    known = balanced(Y, labels, seed=1)
    assert len(known.unique()) == len(known) == labels
    counts = torch.bincount(Y[known])
    assert counts.max() - counts.min() <= 1


def test_each_example_of_a_class_and_each_class_with_one_more_is_as_likely():
    drawn = torch.stack([balanced(Y, 4, seed) for seed in range(3000)])
    draws = torch.zeros(3000, len(Y), dtype=torch.float64).scatter_(1, drawn, 1.0)
    counts = torch.bincount(Y)
    expected = (4 / 3) / counts[Y]
    error = (expected * (1 - expected) / len(draws)).sqrt()
    assert ((draws.mean(0) - expected).abs() < 4.5 * error).all()
    assert (draws.sum(0) > 0).all()


def test_a_seed_draws_the_same_labels_and_another_seed_others():
    assert balanced(Y, 9, 4).tolist() == balanced(Y, 9, 4).tolist() != balanced(Y, 9, 5).tolist()


@pytest.mark.parametrize(
    ("y", "labels", "told"),
    [
        (Y, 2, "there are 3 classes. Use dataset.labels=3."),
        (Y, 18, "6 are of class 0, which has 5 examples. Use dataset.labels=15."),
        (None, 9, "the data have no labels. Use dataset.labels=all."),
    ],
)
def test_a_draw_that_is_not_to_be_had_is_refused(y, labels, told):
    with pytest.raises(DataError, match=re.escape(told)):
        balanced(y, labels, 0)


# ---------------------------------------------------------------------------------- what they come to
def test_training_images_alone_have_labels_and_so_many_of_them():
    data = digits(labels=50, label_seed=2)
    marks = {part: whole(data, part)["labelled"] for part in PARTS}
    assert [int(m.sum()) for m in marks.values()] == [50, 0, 0]
    assert marks["train"].nonzero().squeeze(1).tolist() == data.known.tolist()
    assert torch.bincount(whole(data, "train")["y"][data.known]).tolist() == [5] * 10
    assert data.spec["labelled"].mean.tolist() == pytest.approx([1 - 50 / 1197, 50 / 1197])
    assert data.spec.label == "y"


def test_nothing_but_the_column_and_the_arrangement_are_other_than_with_all_labels():
    few, every = digits(labels=50), digits()
    assert "labelled" not in every.spec.fields
    assert few.protocol == every.protocol
    for part in PARTS:
        generators = [torch.Generator().manual_seed(0) for _ in range(2)]
        index = torch.arange(60)
        ours, theirs = (
            d.split(part).batch(index, g) for d, g in zip((few, every), generators, strict=True)
        )
        assert all(torch.equal(ours[name], value) for name, value in theirs.items())


@pytest.mark.parametrize(
    ("labels", "labelled", "size", "expected"),
    [(50, 0, 100, 10), (600, 0, 100, 50), (50, 3, 100, 3), (50, 0, 5, 1), (1130, 0, 100, 94)],
)
def test_each_batch_holds_so_many_or_their_share_and_at_least_a_tenth(
    labels, labelled, size, expected
):
    split = digits(labels=labels, labelled=labelled).split("train")
    for batch in Loader(split, size, shuffle=True):
        assert batch["labelled"][:expected].all()
        assert not batch["labelled"][expected:].any()


def test_labelled_images_are_binarized_anew_at_each_access():
    data = digits(labels=10)
    split, one = data.split("train"), data.known[:1]
    assert not torch.equal(split.batch(one)["x"], split.batch(one)["x"])


def test_dropped_the_labelled_ones_are_all_that_there_is():
    data, kept = digits(labels=50, unlabelled="drop"), digits(labels=50)
    batch, split = whole(data, "train"), kept.split("train")
    assert data.spec.size == len(batch["x"]) == 50
    assert list(batch) == ["x", "y"] == list(data.spec.fields)
    assert batch["y"].tolist() == split.batch(kept.known)["y"].tolist()
    x = kept.parts["train"].take(kept.known).grey()
    assert torch.equal(data.originals("train", 50)["x"], x)
    assert torch.allclose(data.spec["x"].mean, x.mean(0))
    assert data.spec["y"].mean.tolist() == pytest.approx([0.1] * 10)
    assert data.protocol == kept.protocol


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"labelled": -1, "labels": 50}, "dataset.labelled=-1: at least 0"),
        ({"labelled": 5}, "with dataset.labels=all each has one"),
        ({"labelled": 5, "labels": 50, "unlabelled": "drop"}, "dataset.unlabelled=drop each has"),
    ],
)
def test_options_that_have_nothing_to_do_are_refused(options, told):
    with pytest.raises(DataError, match=re.escape(told)):
        digits(**options)


# ------------------------------------------------------------------------------- classes left out
def test_a_class_that_is_left_out_is_in_no_split_and_its_test_images_are_outside():
    data, every = digits(without=[9, 3]), digits()
    for part in PARTS:
        y = whole(every, part)["y"]
        left = y[(y != 9) & (y != 3)]
        assert torch.equal(whole(data, part)["y"], left)
    y = whole(every, "test")["y"]
    outside = data.outside()
    batch = outside.batch(torch.arange(len(outside)))
    assert torch.equal(batch["y"], y[(y == 9) | (y == 3)])
    grey = every.parts["test"].grey()[(y == 9) | (y == 3)]
    assert batch["x"][grey == 0].sum() == 0
    assert batch["x"][grey == 1].mean() > 0.999
    assert every.outside() is None


def test_labels_keep_their_numbers_and_shares_are_of_what_is_left():
    data, every = digits(without=[3]), digits()
    assert data.spec["y"].levels == every.spec["y"].levels == 10
    assert data.spec["y"].mean[3] == 0
    assert data.spec["y"].mean.sum() == pytest.approx(1)
    assert data.spec.size == len(whole(data, "train")["y"]) < every.spec.size
    assert torch.allclose(data.spec["x"].mean, data.train.grey().mean(0))


def test_a_run_without_a_class_is_told_by_its_protocol_and_one_with_all_is_as_ever():
    assert digits(without=[9]).protocol["without"] == [9]
    assert "without" not in digits().protocol
    a, b = (digits(without=w).split("test").batch(torch.arange(20))["x"] for w in ([], ()))
    assert torch.equal(a, b)
    assert torch.equal(a, digits().split("test").batch(torch.arange(20))["x"])


def test_few_labels_are_of_the_classes_that_are_left():
    data = digits(without=[9], labels=18)
    assert torch.bincount(whole(data, "train")["y"][data.known]).tolist() == [2] * 9
    assert not data.outside().batch(torch.arange(3))["labelled"].any()
    with pytest.raises(DataError, match="there are 9 classes"):
        digits(without=[9], labels=5).known  # noqa: B018


@pytest.mark.parametrize(
    ("y", "classes", "told"),
    [
        (Y, [3], "dataset.without=[3]: no class 3; there are 0, 1, 2. Use dataset.without=[]."),
        (Y, [0, 1, 2], "no class is left to train on. Use dataset.without=[]."),
        (None, [9], "dataset.without=[9]: the data have no labels. Use dataset.without=[]."),
    ],
)
def test_classes_that_cannot_be_left_out_are_refused(y, classes, told):
    with pytest.raises(DataError, match=re.escape(told)):
        check_without(y, classes)
