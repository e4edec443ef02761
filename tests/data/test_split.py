"""Splits: disjoint, complete, and the same in every run."""

import pytest
import torch

from vaebench.data import Split
from vaebench.errors import DataError

SPLITS = [
    Split("official", 10),
    Split("random", 10, 20),
    Split("random", 0.1, 0.2, seed=3),
    Split("last", 10, 20),
]


@pytest.mark.parametrize("split", SPLITS, ids=str)
def test_parts_are_disjoint_and_cover_everything(split):
    parts = split.indices(100)
    assert torch.cat(list(parts.values())).sort().values.tolist() == list(range(100))


def test_counts_and_fractions_give_the_sizes_asked_for():
    for split in (Split("random", 10, 20), Split("random", 0.1, 0.2)):
        sizes = {part: len(index) for part, index in split.indices(100).items()}
        assert sizes == {"train": 70, "val": 10, "test": 20}


def test_a_small_fraction_holds_out_at_least_one_example():
    assert len(Split("random", 0.001, 0.001).indices(10)["val"]) == 1


@pytest.mark.parametrize("split", SPLITS, ids=str)
def test_a_split_does_not_depend_on_the_seed_of_the_run(split):
    torch.manual_seed(1)
    first = split.indices(100)
    torch.manual_seed(2)
    second = split.indices(100)
    assert all(torch.equal(first[part], second[part]) for part in first)


def test_a_random_split_depends_on_its_own_seed():
    first, second = (Split("random", 10, 20, seed=s).indices(100)["test"] for s in (0, 1))
    assert set(first.tolist()) != set(second.tolist())


def test_a_random_split_is_shuffled_and_the_others_keep_the_order_of_the_data():
    shuffled = torch.cat(list(Split("random", 10, 20).indices(100).values()))
    assert shuffled.tolist() != list(range(100))
    last = Split("last", 10, 20).indices(100)
    assert last["val"].tolist() == list(range(70, 80))
    assert last["test"].tolist() == list(range(80, 100))


def test_an_official_split_leaves_the_test_set_to_the_data():
    parts = Split("official", 10).indices(100)
    assert set(parts) == {"train", "val"}
    assert parts["val"].tolist() == list(range(90, 100))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"kind": "random", "val": 0, "test": 1}, "split.val=0"),
        ({"kind": "random", "val": -5, "test": 1}, "split.val=-5"),
        ({"kind": "random", "val": 1}, "split.test=0"),
        ({"kind": "last", "val": 1, "test": -2}, "split.test=-2"),
        ({"kind": "official", "val": 1, "test": 1}, "split.test=1"),
        ({"kind": "last", "val": 1, "test": 1, "seed": 2}, "split.seed=2"),
    ],
)
def test_a_split_that_cannot_be_is_refused_by_name(options, named):
    with pytest.raises(DataError, match=named):
        Split(**options)


@pytest.mark.parametrize("size", [0, 1, 29, 30])
def test_a_split_that_leaves_nothing_to_train_on_is_refused(size):
    with pytest.raises(DataError, match="too few"):
        Split("random", 10, 20).indices(size)
