"""Arrangements: which examples meet in an epoch's batches."""

from collections import Counter
from itertools import pairwise

import pytest
import torch

from vaebench.data import ByFactor, ByLabel, ByLength, Column, InMemorySplit, Loader, Shuffled
from vaebench.errors import DataError

N, SIZE, COUNT = 120, 16, 3
SIZES = (5, 4, 6)
FACTORS = torch.cartesian_prod(*map(torch.arange, SIZES))
"""A grid: each combination of the factors once."""

LABELLED = (torch.arange(N) % 11 == 0).long()
MADE = {
    "shuffled": Shuffled(),
    "length": ByLength(torch.arange(N) % 17 + 1),
    "label": ByLabel(LABELLED, COUNT),
    "factor": ByFactor(FACTORS),
}


def split(name: str) -> InMemorySplit:
    """Examples that are their own number."""
    return InMemorySplit({"x": Column(torch.arange(N).unsqueeze(1).float())}, MADE[name])


def batches(name: str, size: int = SIZE, *, epoch: int = 0, **options) -> list[list[int]]:
    loader = Loader(split(name), size, **{"shuffle": True, "epoch": lambda: epoch} | options)
    found = [batch["x"].squeeze(1).int().tolist() for batch in loader]
    assert len(found) == len(loader)
    return found


def counted(found: list[list[int]]) -> Counter[int]:
    return Counter(i for batch in found for i in batch)


# --------------------------------------------------------------------------------- all of them alike
@pytest.mark.parametrize("size", [1, 7, SIZE, N, 2 * N])
@pytest.mark.parametrize("epoch", [0, 3])
@pytest.mark.parametrize(("name", "times"), [("shuffled", 1), ("length", 1), ("factor", 3)])
def test_every_example_comes_equally_often_in_an_epoch(name, times, size, epoch):
    assert counted(batches(name, size, epoch=epoch)) == dict.fromkeys(range(N), times)


@pytest.mark.parametrize("name", MADE)
def test_batches_are_a_function_of_seed_and_epoch_alone(name):
    torch.manual_seed(1)
    first = batches(name, seed=3, epoch=5)
    before = torch.get_rng_state()
    assert batches(name, seed=3, epoch=5) == first
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", MADE)
def test_other_seeds_and_epochs_have_other_batches_and_as_many(name):
    found = [batches(name, seed=s, epoch=e) for s in range(3) for e in range(3)]
    assert len({str(epoch) for epoch in found}) == 9
    assert len({str([sorted(b) for b in epoch]) for epoch in found}) == 9
    assert len({len(epoch) for epoch in found}) == 1


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("done", [1, 4])
def test_a_pass_goes_on_where_its_state_was_taken(name, done):
    whole = batches(name, epoch=2)
    first = Loader(split(name), SIZE, shuffle=True, epoch=lambda: 2)
    stopped = iter(first)
    for _ in range(done):
        next(stopped)
    second = Loader(split(name), SIZE, shuffle=True, epoch=lambda: 2)
    second.load(first.state())
    assert [batch["x"].squeeze(1).int().tolist() for batch in second] == whole[done:]


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_the_batches_that_one_process_would_see(name, world):
    parts = [batches(name, rank=rank, world=world) for rank in range(world)]
    for batch, *mine in zip(batches(name), *parts, strict=True):
        assert mine == [batch[rank::world] or batch[:1] for rank in range(world)]


@pytest.mark.parametrize("name", MADE)
def test_complete_batches_alone_are_the_others_without_the_smaller_ones(name):
    size = 6 if name == "factor" else SIZE
    whole = [batch for batch in batches(name, size) if len(batch) == size]
    assert 0 < len(whole) < len(batches(name, size))
    assert batches(name, size, partial=False) == whole


def test_where_no_batch_is_complete_the_largest_there_is_are_named():
    with pytest.raises(DataError, match=r"no complete batch.* Use trainer\.batch_size=6\.$"):
        batches("factor", 7, partial=False)
    assert batches("factor", max(SIZES), partial=False)


@pytest.mark.parametrize("name", MADE)
def test_unshuffled_examples_keep_their_own_order(name):
    assert batches(name, shuffle=False) == [list(range(N)[i : i + SIZE]) for i in range(0, N, SIZE)]


@pytest.mark.parametrize("name", MADE)
def test_the_first_examples_are_arranged_like_all(name):
    """Of a grid's first 24, the first factor has one value, and the others theirs."""
    found = counted(
        [b["x"].int().flatten().tolist() for b in Loader(split(name).first(24), 8, shuffle=True)]
    )
    assert set(found) == set(range(24))


# -------------------------------------------------------------------------------------- by label
@pytest.mark.parametrize("count", [1, COUNT, 12])
@pytest.mark.parametrize("epoch", [0, 1])
def test_each_batch_has_so_many_labelled_ones_and_they_come_first(monkeypatch, count, epoch):
    monkeypatch.setitem(MADE, "label", ByLabel(LABELLED, count))
    found = batches("label", epoch=epoch)
    for batch in found:
        assert [LABELLED[i].item() for i in batch] == [1] * count + [0] * (len(batch) - count)
    assert [len(batch) for batch in found[:-1]] == [SIZE] * (len(found) - 1)


@pytest.mark.parametrize("count", [1, COUNT, 12])
def test_the_others_come_once_and_labelled_ones_equally_often_or_once_more(monkeypatch, count):
    """12 in a batch are more than there are: 11."""
    monkeypatch.setitem(MADE, "label", ByLabel(LABELLED, count))
    found = counted(batches("label"))
    assert {found[i] for i in range(N) if not LABELLED[i]} == {1}
    times = [found[i] for i in range(N) if LABELLED[i]]
    assert max(times) - min(times) <= 1
    assert sum(times) == count * len(batches("label"))


def test_other_epochs_bring_other_examples_without_a_label_together():
    first, second = (
        {frozenset(i for i in b if not LABELLED[i]) for b in batches("label", epoch=e)}
        for e in (0, 1)
    )
    assert not first & second


def test_each_process_has_its_share_of_labelled_ones():
    for rank, share in enumerate([2, 1]):
        for batch in batches("label", rank=rank, world=2):
            assert LABELLED[batch].sum() == share


def test_a_batch_of_labelled_ones_alone_is_refused():
    with pytest.raises(DataError, match=r"Use trainer\.batch_size=6\.$"):
        batches("label", COUNT)
    assert batches("label", COUNT + 1)


# ------------------------------------------------------------------------------------- by factor
@pytest.mark.parametrize("size", [3, SIZE])
def test_in_a_batch_one_factor_varies_and_the_others_are_fixed(size):
    varying = Counter()
    for batch in batches("factor", size):
        values = [len(column.unique()) for column in FACTORS[batch].unbind(1)]
        assert len(batch) == max(values)
        assert sorted(values)[:-1] == [1, 1]
        varying[values.index(max(values))] += len(batch) > 1
    assert set(varying) == {0, 1, 2}


def test_a_batch_holds_all_that_are_alike_in_the_others():
    assert Counter(map(len, batches("factor"))) == {5: 24, 4: 30, 6: 20}


def test_factors_vary_in_random_turn():
    sizes = [len(batch) for batch in batches("factor")]
    assert sum(a != b for a, b in pairwise(sizes)) > 20


def test_the_only_factor_varies_freely(monkeypatch):
    monkeypatch.setitem(MADE, "factor", ByFactor(torch.arange(N).unsqueeze(1)))
    assert sorted(map(len, batches("factor"))) == [8] + [SIZE] * 7
    first, second = ({frozenset(b) for b in batches("factor", epoch=e)} for e in (0, 1))
    assert not first & second
