"""What is claimed of made-up runs comes to exactly what a paired test says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from vaebench.errors import Refusal
from vaebench.runs.report.claims import (
    FAILED,
    HELD,
    NOT_RUN,
    UNTESTED,
    Claim,
    Verdict,
    compared,
    ends,
    judged,
)
from vaebench.runs.report.record import Pair, Result, Row

METRIC = "test/nll"


def row(words: str, values: dict[int, float], error: float | None = None, budget="small") -> Row:
    beside = {} if error is None else {f"{METRIC}_se": error}
    runs = [{"seed": seed, "metrics": {METRIC: value} | beside} for seed, value in values.items()]
    return Row(words, budget, "", runs)


def claim(*order) -> Claim:
    return Claim("said", tuple(ends(order, METRIC)))


def result(*rows: Row, pairs=()) -> Result:
    return Result("made_up", "vaebench", [*rows], [*pairs])


def one(found: list[Verdict]) -> Verdict:
    (verdict,) = found
    return verdict


def test_over_seeds_the_difference_is_students_paired_t_test_of_common_seeds():
    """Differences 1, 2, 3 have mean 2, standard error 1 / √3, and t = 2 √3 on two degrees of freedom."""
    low = row("k=50", {1: 10.0, 2: 20.0, 3: 30.0, 9: 500.0})
    high = row("k=1", {1: 11.0, 2: 22.0, 3: 33.0, 8: -500.0})
    test = compared(result(low, high), "small", *claim("k=50", "k=1").order)
    assert test.difference == 2.0
    assert test.error == pytest.approx(1 / math.sqrt(3), rel=1e-12)
    assert test.p == pytest.approx(2 * stats.t.sf(2 * math.sqrt(3), df=2), rel=1e-9)
    assert test.over == "3 seeds"


def test_the_other_way_round_the_difference_changes_its_sign_and_p_stays():
    rows = row("k=50", {1: 1.0, 2: 2.5, 3: 3.0}), row("k=1", {1: 11.0, 2: 12.0, 3: 15.0})
    there = compared(result(*rows), "small", *claim("k=50", "k=1").order)
    back = compared(result(*rows), "small", *claim("k=1", "k=50").order)
    assert (back.difference, back.error, back.p) == (-there.difference, there.error, there.p)
    assert (there.verdict, back.verdict) == (HELD, FAILED)


def test_a_common_shift_of_both_rows_changes_nothing():
    """That is what pairing is for: seeds that are hard are so for both."""
    shifts = {1: 0.0, 2: 100.0, 3: -300.0}
    low, high = {1: 0.1, 2: 0.25, 3: 0.2}, {1: 1.0, 2: 1.0, 3: 1.5}
    plain = compared(result(row("a=1", low), row("a=2", high)), "small", *claim("a=1", "a=2").order)
    moved = result(
        row("a=1", {s: v + shifts[s] for s, v in low.items()}),
        row("a=2", {s: v + shifts[s] for s, v in high.items()}),
    )
    again = compared(moved, "small", *claim("a=1", "a=2").order)
    assert again.p == pytest.approx(plain.p, rel=1e-9)


def test_of_one_seed_it_is_tested_over_examples_whichever_side_was_kept_first():
    """The difference is 2 standard errors: p = 0.0455 of a normal variable."""
    pair = Pair(METRIC, "small", ["a=2", "a=1"], 1.0, 0.5, 400)
    made = result(row("a=1", {0: 5.0}), row("a=2", {0: 6.0}), pairs=[pair])
    there = compared(made, "small", *claim("a=1", "a=2").order)
    back = compared(made, "small", *claim("a=2", "a=1").order)
    assert there.p == back.p == pytest.approx(2 * stats.norm.sf(2.0), rel=1e-9)
    assert (there.over, there.verdict, back.verdict) == ("400 examples", HELD, FAILED)


def test_without_pairs_errors_of_the_two_runs_add_in_squares():
    made = result(row("a=1", {0: 5.0}, 0.3), row("a=2", {0: 6.0}, 0.4))
    test = compared(made, "small", *claim("a=1", "a=2").order)
    assert test.error == pytest.approx(0.5)
    assert test.over == "unpaired errors within the runs"


def test_of_one_seed_without_errors_nothing_is_tested():
    made = result(row("a=1", {0: 5.0}), row("a=2", {0: 6.0}))
    assert one(judged(claim("a=1", "a=2"), made)).told == UNTESTED


def test_a_number_can_be_a_side():
    made = result(row("a=1", {0: 1.0, 1: 2.0, 2: 3.0}))
    test = compared(made, "small", *claim(0, "a=1").order)
    assert test.p == pytest.approx(stats.ttest_1samp([1.0, 2.0, 3.0], 0.0).pvalue, rel=1e-9)
    assert test.difference == 2.0
    assert compared(made, "small", *claim("a=1", 0).order).difference == -2.0


def test_sides_can_have_metrics_of_their_own():
    low, high = claim("test/nll @ weights=point", "test/loss @ weights=point").order
    assert (low.words, low.metric) == ("weights=point", "test/nll")
    assert (high.words, high.metric) == ("weights=point", "test/loss")


def test_an_order_of_three_is_as_good_as_its_worst_step():
    rows = [
        row(f"K={k}", {s: v + 0.1 * s * k for s in (1, 2, 3)}) for k, v in ((1, 1), (2, 9), (3, 12))
    ]
    verdict = one(judged(claim("K=1", "K=2", "K=3"), result(*rows)))
    assert [t.verdict for t in verdict.tests] == [HELD, HELD]
    rows[2] = row("K=3", {s: 9 + 0.2 * s + d for s, d in ((1, 1.0), (2, -1.0), (3, 0.1))})
    verdict = one(judged(claim("K=1", "K=2", "K=3"), result(*rows)))
    assert [t.verdict for t in verdict.tests] == [HELD, FAILED]
    assert verdict.told == FAILED


def test_each_budget_has_a_verdict_and_what_was_not_run_says_so():
    rows = [
        row(w, {s: v + s for s in range(3)}, budget=b)
        for w, v, b in (
            ("a=1", 1.0, "small"),
            ("a=2", 2.0, "small"),
            ("a=1", 3.0, "full"),
            ("a=2", 1.0, "full"),
        )
    ]
    found = judged(claim("a=1", "a=2"), result(*rows))
    assert [(v.budget, v.told) for v in found] == [("small", HELD), ("full", FAILED)]
    assert one(judged(claim("a=1", "a=3"), result(*rows))).told == NOT_RUN
    assert one(judged(claim("a=1", "a=2"), None)).told == NOT_RUN


def test_a_claim_of_an_option_that_no_row_has_is_refused():
    made = result(row("model.layers=1", {0: 1.0}))
    with pytest.raises(Refusal, match=r"names model\.layer, .* Did you mean model\.layers\?"):
        judged(claim("model.layer=1", "model.layers=1"), made)


def test_a_claim_of_two_numbers_is_refused():
    with pytest.raises(Refusal, match="compares two numbers"):
        judged(claim(0, 1), result(row("a=1", {0: 1.0})))


def test_a_false_claim_is_held_in_one_of_forty():
    """Rows that are the same differ with the right sign and p < 0.05 in 2.5 % of draws."""
    noise = np.random.default_rng(0)
    held = 0
    for _ in range(1000):
        low, high = noise.normal(size=(2, 4))
        rows = row("a=1", dict(enumerate(low))), row("a=2", dict(enumerate(high)))
        held += one(judged(claim("a=1", "a=2"), result(*rows))).told == HELD
    assert abs(held - 25) < 4 * math.sqrt(25)
