"""Claims of the papers, tested on what runs measured: rows in the order that they are said to have."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vaebench.errors import Refusal
from vaebench.runs.layout import option_of
from vaebench.runs.report.record import SEEDS_SUFFICE, Result, ordered
from vaebench.runs.tables import paired_p
from vaebench.suggest import did_you_mean

LEVEL = 0.05
"""Of a two-sided test, below which a difference of the right sign holds."""

HELD, FAILED, UNTESTED, NOT_RUN = "held", "does not hold", "not tested", "not run"


@dataclass(frozen=True)
class End:
    """What one side of a difference is: a metric of a row, or a number.

    Attributes:
        words: of the row; empty for a number, and for a row without words.
        metric: of the row.
        number: in their place.
    """

    words: str = ""
    metric: str = ""
    number: float | None = None

    @property
    def ordered(self) -> str:
        """Its words, as rows have them."""
        return ordered(self.words.split())


@dataclass(frozen=True)
class Claim:
    """Rows, the lowest first.

    Attributes:
        name: what is claimed.
        order: the sides, each below the next.
    """

    name: str
    order: tuple[End, ...]


@dataclass(frozen=True)
class Test:
    """A difference, and whether it is zero.

    Attributes:
        difference: the upper side less the lower.
        error: its standard error; not a number where it is not known.
        p: two-sided.
        over: what it was tested on, e.g. `3 seeds`.
    """

    difference: float
    error: float
    p: float
    over: str

    @property
    def verdict(self) -> str:
        """Of the claim that the difference is above zero."""
        if math.isnan(self.p):
            return UNTESTED
        return HELD if self.difference > 0 and self.p < LEVEL else FAILED


@dataclass(frozen=True)
class Verdict:
    """What became of a claim at one budget.

    Attributes:
        budget: `small` or `full`; empty where nothing was run.
        tests: of each side and the next; empty where a row is missing.
    """

    budget: str
    tests: tuple[Test, ...] = ()

    @property
    def told(self) -> str:
        """The worst of its tests."""
        found = {test.verdict for test in self.tests}
        return next((v for v in (FAILED, UNTESTED, HELD) if v in found), NOT_RUN)


def judged(claim: Claim, result: Result | None) -> list[Verdict]:
    """A claim at each budget that has its rows; one verdict, not run, where none has.

    Raises:
        Refusal: it names an option that no row of the result has.
    """
    if result is None:
        return [Verdict("")]
    check(claim, result)
    found = []
    for budget in sorted({row.budget for row in result.rows}, reverse=True):
        pairs = zip(claim.order, claim.order[1:], strict=False)
        tests = [compared(result, budget, low, high) for low, high in pairs]
        if all(tests):
            found.append(Verdict(budget, tuple(t for t in tests if t)))
    return found or [Verdict("")]


def check(claim: Claim, result: Result) -> None:
    """Refuses a row of a claim that no run could have been, and two numbers side by side."""
    for low, high in zip(claim.order, claim.order[1:], strict=False):
        if low.number is not None and high.number is not None:
            raise Refusal(f"the claim {claim.name!r} compares two numbers, and no row")
    known = {option_of(word) for row in result.rows for word in row.words.split()}
    for end in claim.order:
        for name in map(option_of, end.words.split()):
            if name not in known:
                told = f"the claim {claim.name!r} names {name}, which no row of {result.name} has."
                raise Refusal(f"{told}{did_you_mean(name, known)}")


def compared(result: Result, budget: str, low: End, high: End) -> Test | None:
    """Two sides, seed by seed where both have enough of them; else example by example; else by the
    standard errors that each run told. None where a side is missing.

    The difference of pairs d_i has the mean d̄ and the standard error s(d) / √n; p is that of Student's t
    with n - 1 degrees of freedom over seeds, of the normal distribution over examples.
    """
    found = [_values(result, budget, end) for end in (high, low)]
    seeds = set.intersection(*(set(values) for values in found if values is not None))
    if not seeds:
        return None
    values, base = (
        [side[s] if side is not None else end.number or 0.0 for s in sorted(seeds)]
        for side, end in zip(found, (high, low), strict=True)
    )
    differences = [a - b for a, b in zip(values, base, strict=True)]
    mean, n = statistics.fmean(differences), len(differences)
    if n < SEEDS_SUFFICE and (test := _by_examples(result, budget, low, high, mean)):
        return test
    error = statistics.stdev(differences) / math.sqrt(n) if n > 1 else math.nan
    p = paired_p([*zip(values, base, strict=True)])
    return Test(mean, error, p, f"{n} seed{'s' * (n > 1)}")


def _values(result: Result, budget: str, end: End) -> dict[int, float] | None:
    """Seed → what a row measured; None of a number."""
    if end.number is not None:
        return None
    row = result.row(end.words, budget)
    return row.values(end.metric) if row else {}


def _by_examples(
    result: Result, budget: str, low: End, high: End, difference: float
) -> Test | None:
    """By what the runs kept of each example, or else told of their standard errors."""
    words = [high.ordered, low.ordered]
    for pair in result.pairs:
        same = (pair.metric, budget) == (high.metric, pair.budget) and low.metric == high.metric
        if same and sorted(words) == sorted(pair.words):
            sign = 1 if pair.words == words else -1
            return _normal(sign * pair.difference, pair.error, f"{pair.examples} examples")
    told = [_told_error(result, budget, end) for end in (high, low) if end.number is None]
    error = math.hypot(*told)
    beside = "errors within the run" if len(told) < 2 else "unpaired errors within the runs"
    return _normal(difference, error, beside) if error > 0 else None


def _told_error(result: Result, budget: str, end: End) -> float:
    """The standard error that one run told of its own metric; not a number where it told none."""
    row = result.row(end.words, budget)
    errors = row.values(f"{end.metric}_se") if row else {}
    return next(iter(errors.values())) if len(errors) == 1 else math.nan


def _normal(difference: float, error: float, over: str) -> Test:
    return Test(difference, error, math.erfc(abs(difference / error) / math.sqrt(2)), over)


def ends(order: Sequence[str | float], metric: str) -> Iterable[End]:
    """Sides as a file writes them: words of a row, `METRIC @ words` where it is another, a number."""
    for side in order:
        if isinstance(side, int | float):
            yield End(number=float(side))
            continue
        own, is_other, words = side.rpartition("@")
        yield End(words.strip(), own.strip() if is_other else metric)
