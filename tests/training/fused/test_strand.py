"""Strands: threads of which one runs at a time, each in surroundings of its own."""

from __future__ import annotations

import sys

import pytest
import torch

from vaebench import progress
from vaebench.progress import doing
from vaebench.training.fused.strand import MINE, Strand


def test_each_draws_as_if_the_others_were_not_there():
    def work(seed):
        torch.manual_seed(seed)
        first = torch.rand(2)
        MINE.get().ask("more")
        return torch.cat([first, torch.rand(3)])

    strands = [Strand(lambda seed=seed: work(seed)) for seed in (1, 2)]
    torch.manual_seed(0)
    outside = torch.get_rng_state()
    for _ in range(2):
        for strand in strands:
            strand.resume()
    for seed, strand in zip((1, 2), strands, strict=True):
        torch.testing.assert_close(
            strand.result, torch.rand(5, generator=torch.Generator().manual_seed(seed))
        )
    assert torch.equal(torch.get_rng_state(), torch.Generator().manual_seed(0).get_state())
    assert len(outside) == len(torch.get_rng_state())


def test_what_is_printed_to_and_under_way_is_a_strands_own(monkeypatch):
    class Stream:
        pass

    def work():
        sys.stdout, mine = Stream(), MINE.get()
        with doing("a part"):
            mine.ask("wait")
            return type(sys.stdout).__name__, [loop.what for loop in progress.under_way()]

    before = sys.stdout
    with doing("the whole"):
        strand = Strand(work)
        strand.resume()
        assert sys.stdout is before
        assert [loop.what for loop in progress.under_way()] == ["the whole"]
        strand.resume()
    assert strand.result == ("Stream", ["the whole", "a part"])
    assert sys.stdout is before


def test_answers_and_errors_arrive_where_it_asked():
    def work():
        mine = MINE.get()
        got = mine.ask("a number")
        with pytest.raises(ValueError, match="no more"):
            mine.ask("another")
        raise KeyError(got)

    strand = Strand(work)
    strand.resume()
    assert strand.asked == "a number"
    strand.resume(7)
    assert strand.asked == "another"
    strand.resume(ValueError("no more"))
    assert strand.asked is None
    assert isinstance(strand.error, KeyError)
    assert strand.error.args == (7,)
