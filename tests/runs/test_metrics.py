"""What tables know of metrics."""

from __future__ import annotations

import pytest

from vaebench.runs.metrics import KNOWN, MAIN, METRICS, known, telling_order, written


def test_a_metric_is_known_once():
    assert len(KNOWN) == len(METRICS)


@pytest.mark.parametrize(
    ("metric", "up"),
    [
        ("test/nll", False),
        ("test/bound", True),
        ("evaluation/iwae/bound", True),
        ("val/active_units", True),
        ("val/loss", False),
        ("nobody/knows", False),
    ],
)
def test_better_is_lower_but_for_bounds_and_the_like(metric, up):
    assert known(metric).higher is up


def test_likelihoods_come_first_and_what_nobody_knows_by_its_name():
    told = ["test/tokens", "test/kl", "test/a", "test/bound", "test/loss", "test/nll"]
    order = ["test/nll", "test/bound", "test/kl", "test/a", "test/loss", "test/tokens"]
    assert sorted(told, key=telling_order) == order


def test_counts_have_no_digits():
    assert written("test/active_units", 12.0) == "12"
    assert written("test/nll", 101.25) == "101.250"


def test_runs_are_compared_by_what_is_better_lower():
    assert not any(known(name).higher for name in MAIN)
