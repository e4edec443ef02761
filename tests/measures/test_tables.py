"""Means, spreads and paired tests against hand-made numbers."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from scipy.stats import t as student

from vaebench.measures.runs import Run, groups
from vaebench.measures.tables import higher_is_better, markdown, paired_p, rows


def run(model, seed, nll):
    summary = {"seed": seed, "choices.model": model, "choices.dataset": "digits", "test/nll": nll}
    return Run(Path("nowhere"), summary | {"quantity": "log p(x)", "config.seed": seed})


RUNS = [
    *(run("vae", seed, nll) for seed, nll in ((1, 10.0), (2, 12.0), (3, 11.0))),
    *(run("iwae", seed, nll) for seed, nll in ((1, 9.5), (2, 11.0), (4, 8.0))),
]


def test_a_group_has_the_mean_and_spread_of_its_seeds_and_the_best_comes_first():
    members = groups(RUNS)
    best, worst = rows(members, "test/nll", members[0])
    assert best.group.label == "model=iwae"
    assert worst.mean == pytest.approx(11.0)
    assert worst.sd == pytest.approx(1.0)
    assert math.isnan(worst.difference)


def test_the_difference_is_paired_by_seed():
    members = groups(RUNS)
    (row,) = (r for r in rows(members, "test/nll", members[0]) if r.group is members[1])
    assert row.pairs == 2
    assert row.difference == pytest.approx(-0.75)
    # Differences -0.5 and -1: mean -0.75, standard error 0.25, t = -3 with one degree of freedom.
    assert row.p == pytest.approx(2 * student.sf(3, 1))


def test_there_is_no_p_of_one_pair_and_none_of_numbers_that_do_not_vary():
    assert math.isnan(paired_p([(1.0, 2.0)]))
    assert paired_p([(1.0, 1.0), (2.0, 2.0)]) == 1.0


@pytest.mark.parametrize(
    ("metric", "up"), [("test/nll", False), ("test/bound", True), ("val/loss", False)]
)
def test_better_is_lower_but_for_bounds(metric, up):
    assert higher_is_better(metric) is up


def test_markdown_keeps_its_columns_apart():
    assert markdown(["a|b", "c"], [["1", "2"]]) == "| a\\|b | c |\n| --- | --- |\n| 1 | 2 |"
