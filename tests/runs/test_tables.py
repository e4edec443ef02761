"""Means, spreads and paired tests against hand-made numbers."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

import pytest
from scipy.stats import t as student

from vaebench.runs.find import Run
from vaebench.runs.groups import groups
from vaebench.runs.tables import (
    beside,
    cells,
    header,
    markdown,
    paired_error,
    paired_p,
    rows,
    said,
    units,
)


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


def test_of_a_metric_that_is_better_where_higher_the_highest_comes_first():
    runs = [Run(r.folder, r.summary | {"test/bound": -r.summary["test/nll"]}) for r in RUNS]
    members = groups(runs)
    labels = [row.group.label for row in rows(members, "test/bound", members[0])]
    assert labels == ["model=iwae", "model=vae"]


def test_the_difference_is_paired_by_seed():
    members = groups(RUNS)
    (row,) = (r for r in rows(members, "test/nll", members[0]) if r.group is members[1])
    assert row.difference == pytest.approx(-0.75)
    # Differences -0.5 and -1: mean -0.75, standard error 0.25, t = -3 with one degree of freedom.
    assert row.p == pytest.approx(2 * student.sf(3, 1))


def kept(folder: Path, model: str, seed: int, nll: list[float]) -> Run:
    """A run that kept what it measured of each test example."""
    folder.mkdir()
    (folder / "examples.csv").write_text("\n".join(["test/nll", *map(str, nll)]) + "\n")
    return Run(folder, run(model, seed, statistics.fmean(nll)).summary)


def test_a_difference_has_the_standard_error_of_its_examples_paired_one_by_one(tmp_path):
    vae, iwae = [90.0, 100.0, 80.0, 130.0], [88.0, 99.0, 79.0, 126.0]
    members = groups([kept(tmp_path / "a", "vae", 1, vae), kept(tmp_path / "b", "iwae", 1, iwae)])
    (row,) = (r for r in rows(members, "test/nll", members[0]) if r.group is members[1])
    assert row.difference == pytest.approx(-2.0)
    # Differences -2, -1, -1, -4: their own spread, not the examples' much larger one.
    assert row.error == pytest.approx(statistics.stdev([-2, -1, -1, -4]) / 2)
    assert "-2.000 ± 0.707" in cells([row], [], "test/nll", members[0])[0][3]


def test_examples_are_averaged_over_the_seeds_that_both_have(tmp_path):
    runs = [
        kept(tmp_path / "1", "vae", 1, [1.0, 2.0, 3.0]),
        kept(tmp_path / "2", "vae", 2, [1.0, 2.0, 3.0]),
        kept(tmp_path / "3", "iwae", 1, [1.0, 2.0, 6.0]),
        kept(tmp_path / "4", "iwae", 2, [1.0, 2.0, 0.0]),
        kept(tmp_path / "5", "iwae", 3, [9.0, 9.0, 9.0]),
    ]
    members = groups(runs)
    assert paired_error(members[1], members[0], "test/nll") == 0.0


@pytest.mark.parametrize("others", [[1.0, 2.0], [1.0]])
def test_runs_of_other_examples_have_no_paired_error(tmp_path, others):
    runs = [
        kept(tmp_path / "a", "vae", 1, [1.0, 2.0, 3.0]),
        kept(tmp_path / "b", "iwae", 1, others),
    ]
    one, other = groups(runs)
    assert math.isnan(paired_error(other, one, "test/nll"))
    assert math.isnan(paired_error(other, groups(RUNS)[0], "test/nll"))


def test_there_is_no_p_of_one_pair_and_none_of_numbers_that_do_not_vary():
    assert math.isnan(paired_p([(1.0, 2.0)]))
    assert paired_p([(1.0, 1.0), (2.0, 2.0)]) == 1.0


def test_sentences_are_shown_with_their_perplexities_and_token_counts():
    told = {"test/perplexity": 100.0, "test/perplexity_without_end": 130.0, "test/kl": 2.5}
    told |= {"test/tokens": 2000, "test/tokens_without_end": 1900}
    vae = Run(Path("nowhere"), run("vae", 1, 80.0).summary | told)
    plain = Run(Path("nowhere"), run("rnnlm", 1, 81.0).summary)
    members, also = groups([vae, plain]), beside([vae, plain])
    head = header(["model"], "test/nll", also)
    body = cells(rows(members, "test/nll", members[0]), ["model"], "test/nll", members[0], also)
    shown = dict(zip(head, body[0], strict=True))
    assert (shown["KL"], shown["PPL"], shown["PPL w/o end"]) == (
        "2.50",
        "100.00",
        "130.00",
    )
    assert body[1][-3:] == ["–"] * 3
    assert units([vae, plain]) == "2000 test tokens with end tokens, 1900 without"


def test_seeds_and_p_are_shown_where_a_group_has_two():
    head, line = ["model", "n", "test/nll (mean ± sd)", "difference", "paired p"], ["vae", "2"]
    twice = (head, [[*line, "1 ± 0", "baseline", ""]])
    assert said(*twice) == twice
    once = said(head, [["vae", "1", "1.0", "baseline", ""], ["iwae", "1", "2.0", "+1.0", "–"]])
    assert once[0] == ["model", "test/nll (mean ± sd)", "difference"]
    assert once[1][1] == ["iwae", "2.0", "+1.0"]


def test_what_has_no_perplexity_has_no_further_columns():
    assert beside(RUNS) == []
    assert units(RUNS) == ""


def test_markdown_keeps_its_columns_apart():
    assert markdown(["a|b", "c"], [["1", "2"]]) == "| a\\|b | c |\n| --- | --- |\n| 1 | 2 |"
