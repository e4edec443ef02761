"""The loader: every example once an epoch, in an order that (seed, epoch) fix."""

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import assert_mean
from vaebench.data import ByLength, Column, InMemorySplit, Loader, Shuffled
from vaebench.data.access import dynamic_binarization, integers
from vaebench.data.protocol import thresholds

N = 103


def split() -> InMemorySplit:
    """Examples that are their own number, with a label that is its negative."""
    x = torch.arange(N, dtype=torch.float32)
    return InMemorySplit({"x": Column(x.unsqueeze(1)), "y": Column(-x)})


def order(**options) -> list[int]:
    loader = Loader(split(), 10, **({"shuffle": True} | options))
    return torch.cat([batch["x"] for batch in loader]).squeeze(1).int().tolist()


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch_size", [1, 10, N, 2 * N])
def test_every_example_comes_exactly_once_an_epoch(shuffle, batch_size):
    batches = list(Loader(split(), batch_size, shuffle=shuffle))
    assert sorted(torch.cat([b["x"] for b in batches]).squeeze(1).tolist()) == list(range(N))
    assert len(batches) == len(Loader(split(), batch_size, shuffle=shuffle))


def test_the_incomplete_last_batch_is_kept():
    assert [len(batch["x"]) for batch in Loader(split(), 10, shuffle=True)] == [10] * 10 + [3]


def test_labels_stay_with_their_examples():
    for batch in Loader(split(), 10, shuffle=True):
        assert torch.equal(batch["y"], -batch["x"].squeeze(1))


def test_without_shuffling_examples_come_in_their_own_order():
    assert order(shuffle=False) == list(range(N))


def test_the_order_is_a_function_of_seed_and_epoch_alone():
    torch.manual_seed(1)
    first = order(seed=3, epoch=lambda: 5)
    torch.manual_seed(2)
    assert order(seed=3, epoch=lambda: 5) == first


def test_another_epoch_has_another_order():
    orders = [order(seed=3, epoch=lambda e=e: e) for e in range(5)]
    assert len({tuple(o) for o in orders}) == 5


def test_another_seed_has_another_order():
    orders = [order(seed=s) for s in range(5)]
    assert len({tuple(o) for o in orders}) == 5


def test_epochs_of_different_seeds_never_share_their_orders():
    """A seed of seed + epoch would make one run's second epoch another run's first."""
    orders = [order(seed=s, epoch=lambda e=e: e) for s in range(4) for e in range(4)]
    assert len({tuple(o) for o in orders}) == 16


def test_the_epoch_is_asked_for_when_a_pass_begins():
    epochs = iter([0, 1, 0])
    loader = Loader(split(), N, shuffle=True, epoch=lambda: next(epochs))
    first, second, third = (next(iter(loader))["x"] for _ in range(3))
    assert torch.equal(first, third)
    assert not torch.equal(first, second)


def test_shuffling_leaves_the_global_generator_untouched():
    before = torch.get_rng_state()
    order(seed=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_first_examples_of_a_split_are_a_split():
    first = split().first(4)
    assert len(first) == 4
    batch = first.batch(torch.tensor([3, 0]))
    assert_close(batch["x"], torch.tensor([[3.0], [0.0]]))
    assert_close(batch["y"], torch.tensor([-3.0, 0.0]))


# -------------------------------------------------------------------------------- several processes
def shards(world, batch_size, **options):
    """What each process gets: per batch, its examples and their weight."""
    loaders = [Loader(split(), batch_size, rank=r, world=world, **options) for r in range(world)]
    return [
        [(batch["x"].squeeze(1).tolist(), loader.share) for batch in loader] for loader in loaders
    ]


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("batch_size", [10, 51, N - 1, N, 2 * N])
def test_processes_see_each_example_once_between_them(world, batch_size):
    parts = shards(world, batch_size, shuffle=True)
    seen = [x for part in parts for xs, share in part for x in xs if share]
    assert sorted(seen) == list(range(N))
    assert len({len(part) for part in parts}) == 1


@pytest.mark.parametrize("batch_size", [10, 51, N - 1])
def test_the_mean_over_processes_of_weighted_means_is_the_mean_over_the_batch(batch_size):
    whole = [batch["x"].mean() for batch in Loader(split(), batch_size, shuffle=True)]
    parts = shards(2, batch_size, shuffle=True)
    for mean, *mine in zip(whole, *parts, strict=True):
        weighted = [share * sum(xs) / len(xs) for xs, share in mine]
        assert_close(torch.tensor(sum(weighted) / 2), mean)


def test_processes_draw_the_data_that_one_process_would():
    grey = torch.rand(N, 64, generator=torch.Generator().manual_seed(0))

    def batches(**options):
        bits = torch.Generator().manual_seed(1)
        data = InMemorySplit({"x": Column(thresholds(grey), dynamic_binarization)})
        return [b["x"] for b in Loader(data, 10, shuffle=True, generator=bits, **options)]

    for whole, even, odd in zip(
        batches(), batches(rank=0, world=2), batches(rank=1, world=2), strict=True
    ):
        assert torch.equal(whole[0::2], even)
        assert torch.equal(whole[1::2], odd)


# ---------------------------------------------------------------------------- sentences of any length
LENGTHS = torch.randint(1, 40, (N,), generator=torch.Generator().manual_seed(0))


def sentences(lengths: torch.Tensor = LENGTHS, *, bucket: bool = True) -> InMemorySplit:
    """Rows that hold their own number, counted from 1, as often as they are long."""
    inside = torch.arange(int(lengths.max())) < lengths.unsqueeze(1)
    x = inside * torch.arange(1, len(lengths) + 1).unsqueeze(1)
    columns = {"x": Column(x.int(), integers, lengths=lengths), "y": Column(lengths)}
    return InMemorySplit(columns, ByLength(lengths) if bucket else Shuffled())


def batches(
    split: InMemorySplit, batch_size: int = 10, *, epoch: int = 0, **options
) -> list[list[int]]:
    """Which examples meet in each batch."""
    loader = Loader(split, batch_size, **{"shuffle": True, "epoch": lambda: epoch} | options)
    return [(batch["x"][:, 0] - 1).tolist() for batch in loader]


@pytest.mark.parametrize("batch_size", [1, 2, 10, N - 1, N, 2 * N])
@pytest.mark.parametrize("n", [1, N, 1200])
def test_of_bucketed_sentences_none_is_lost_or_doubled(n, batch_size):
    """1200 of them make several pools where a batch is small, and a part of one otherwise."""
    lengths = torch.arange(n) % 17 + 1
    found = batches(sentences(lengths), batch_size)
    assert sorted(everything(found)) == list(range(n))
    assert [len(b) for b in found] == [len(i) for i in torch.arange(n).split(batch_size)]


def test_the_bucketed_order_is_a_function_of_the_seed_and_the_epoch_alone():
    torch.manual_seed(1)
    first = batches(sentences(), seed=3, epoch=5)
    torch.manual_seed(2)
    assert batches(sentences(), seed=3, epoch=5) == first


def test_bucketing_leaves_the_global_generator_untouched():
    before = torch.get_rng_state()
    batches(sentences())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("lengths", [LENGTHS, torch.full((100,), 7)], ids=["many", "one"])
def test_other_epochs_and_seeds_bring_other_sentences_together(lengths):
    """Equal lengths are no reason to meet again."""
    found = [batches(sentences(lengths), seed=s, epoch=e) for s in range(3) for e in range(3)]
    together = {frozenset(map(frozenset, epoch)) for epoch in found}
    assert len(together) == 9


def everything(found: list[list[int]]) -> list[int]:
    return [i for batch in found for i in batch]


def padding(split: InMemorySplit) -> int:
    return sum((batch["x"] == 0).sum().item() for batch in Loader(split, 10, shuffle=True))


def test_bucketed_batches_waste_a_fifth_of_the_padding_of_shuffled_ones():
    lengths = torch.randint(1, 40, (2000,), generator=torch.Generator().manual_seed(0))
    shuffled = padding(sentences(lengths, bucket=False))
    assert shuffled > 10_000
    assert padding(sentences(lengths)) < shuffled / 5


def test_bucketed_batches_come_in_no_order_of_length():
    """A sorted pool that is not shuffled again would begin each epoch with the shortest."""
    split = sentences(torch.arange(1, 101))
    first = {max(batches(split, epoch=e)[0]) for e in range(20)}
    widths = [max(batch) for batch in batches(split)]
    assert len(first) > 5
    assert widths not in (sorted(widths), sorted(widths, reverse=True))


def test_the_incomplete_batch_is_a_random_part_of_the_sentences():
    """Cut from sorted ones it would be the longest, which are lost where it is dropped."""
    lengths = torch.arange(1, N + 1)
    last = torch.tensor([batches(sentences(lengths), epoch=e)[-1] for e in range(200)])
    assert last.shape == (200, 3)
    assert_mean(last.double().mean(1), (N - 1) / 2)


def test_complete_batches_alone_are_all_but_the_incomplete_one():
    whole = batches(sentences())
    assert batches(sentences(), partial=False) == whole[:-1]


def test_unbucketed_sentences_come_in_the_order_of_any_data():
    assert everything(batches(sentences(bucket=False))) == order()


def test_sentences_that_are_not_shuffled_keep_their_own_order():
    assert everything(batches(sentences(), shuffle=False)) == list(range(N))


@pytest.mark.parametrize("bucket", [True, False])
@pytest.mark.parametrize("shuffle", [True, False])
def test_a_batch_is_as_wide_as_its_longest_sentence(bucket, shuffle):
    for batch in Loader(sentences(bucket=bucket), 10, shuffle=shuffle):
        assert batch["x"].shape[1] == batch["y"].max()
        assert torch.equal((batch["x"] > 0).sum(1), batch["y"])
        assert batch["x"].dtype is torch.int64


def test_the_first_sentences_of_a_split_are_as_wide_as_theirs():
    first = sentences().first(4)
    batch = first.batch(torch.arange(4))
    assert batch["x"].shape == (4, LENGTHS[:4].max())
    assert sorted(everything(batches(first, 2))) == [0, 1, 2, 3]


def test_no_value_is_read_from_the_device_to_find_a_width():
    """Tensors of the meta device have shapes alone."""
    here = [batch["x"].shape for batch in Loader(sentences(), 10, shuffle=True)]
    there = [batch["x"].shape for batch in Loader(sentences().to("meta"), 10, shuffle=True)]
    assert there == here


def test_processes_share_the_batches_that_one_process_would_see():
    whole = list(Loader(sentences(), 10, shuffle=True))
    parts = [Loader(sentences(), 10, shuffle=True, rank=r, world=2) for r in range(2)]
    for batch, even, odd in zip(whole, *parts, strict=True):
        assert torch.equal(batch["x"][0::2], even["x"])
        assert torch.equal(batch["x"][1::2], odd["x"])


@pytest.mark.parametrize("data", [split(), sentences()], ids=["plain", "bucketed"])
@pytest.mark.parametrize("done", [1, 7, 10])
def test_a_pass_goes_on_where_its_state_was_taken(data, done):
    first = Loader(data, 10, shuffle=True, epoch=lambda: 2)
    whole = [batch["y"] for batch in first]
    stopped = iter(first)
    for _ in range(done):
        next(stopped)
    second = Loader(data, 10, shuffle=True, epoch=lambda: 2)
    second.load(first.state())
    rest = [batch["y"] for batch in second]
    assert len(rest) == len(whole) - done
    assert all(torch.equal(a, b) for a, b in zip(rest, whole[done:], strict=True))
