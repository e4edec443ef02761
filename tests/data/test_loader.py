"""The loader: every example once an epoch, in an order that (seed, epoch) fix."""

import pytest
import torch
from torch.testing import assert_close

from vaebench.data import Loader, Resident
from vaebench.data.base import AsIs, DynamicBinarization

N = 103


def split() -> Resident:
    """Examples that are their own number, with a label that is its negative."""
    x = torch.arange(N, dtype=torch.float32)
    return Resident(x.unsqueeze(1), AsIs(), {"y": -x})


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
        access = DynamicBinarization()
        bits = torch.Generator().manual_seed(1)
        data = Resident(access.prepare(grey), access, {})
        return [b["x"] for b in Loader(data, 10, shuffle=True, generator=bits, **options)]

    for whole, even, odd in zip(
        batches(), batches(rank=0, world=2), batches(rank=1, world=2), strict=True
    ):
        assert torch.equal(whole[0::2], even)
        assert torch.equal(whole[1::2], odd)
