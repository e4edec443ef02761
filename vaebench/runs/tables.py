"""Groups of runs side by side: means over seeds, and paired tests against a baseline."""

from __future__ import annotations

import csv
import io
import math
import statistics
import textwrap
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from vaebench.runs.find import Run
from vaebench.runs.groups import Group, differing
from vaebench.runs.metrics import MAIN, METRICS, known

DIFFERENCE, P, EXAMPLES = "difference", "paired p", "examples"

WORDS = 60
"""Letters of what went wrong with a cell that stand in the table."""


@dataclass(frozen=True)
class Row:
    """One group in a table.

    Attributes:
        group: its runs.
        n: how many of them have the metric.
        mean: over seeds.
        sd: over seeds, with n - 1; not a number for one run.
        difference: mean of (this - baseline) over the seeds that both have.
        p: of the paired t-test that this difference is zero; not a number below two such seeds.
        error: standard error of the difference over test examples, paired one by one; not a number
            where the runs did not keep them.
    """

    group: Group
    n: int
    mean: float
    sd: float
    difference: float
    p: float
    error: float = math.nan


@dataclass(frozen=True)
class Lost:
    """Cells of a grid that have no result.

    Attributes:
        options: what the grid chose for them.
        reason: why, as it is known.
        seeds: of those that share options and reason.
    """

    options: dict[str, str]
    reason: str
    seeds: list[str] = field(default_factory=list)


def main_metric(runs: Iterable[Run]) -> str:
    """The first of `MAIN` that all runs have, else that any has."""
    return main_metric_of([set(run.metrics()) for run in runs])


def main_metric_of(found: Sequence[AbstractSet[str]]) -> str:
    """The same, of the metrics that each run has."""
    for have in (all, any):
        for name in MAIN:
            if found and have(name in metrics for metrics in found):
                return name
    return MAIN[-1]


def rows(groups: Sequence[Group], metric: str, baseline: Group) -> list[Row]:
    """The groups, best first; those without the metric last."""
    found = [_row(group, metric, baseline) for group in groups]
    sign = -1 if known(metric).higher else 1
    return sorted(found, key=lambda r: math.inf if math.isnan(r.mean) else sign * r.mean)


def _row(group: Group, metric: str, baseline: Group) -> Row:
    values, base = group.values(metric), baseline.values(metric)
    mine = list(values.values())
    mean = statistics.fmean(mine) if mine else math.nan
    sd = statistics.stdev(mine) if len(mine) > 1 else math.nan
    pairs = [(values[s], base[s]) for s in values if s in base] if group is not baseline else []
    difference = statistics.fmean(a - b for a, b in pairs) if pairs else math.nan
    error = math.nan if group is baseline else paired_error(group, baseline, metric)
    return Row(group, len(mine), mean, sd, difference, paired_p(pairs), error)


def paired_error(group: Group, baseline: Group, metric: str) -> float:
    """Standard error over test examples of the mean difference between two groups' common seeds."""
    mine, base = group.per_example(metric), baseline.per_example(metric)
    both = [mine[s] - base[s] for s in mine if s in base and mine[s].shape == base[s].shape]
    if not both or len({len(d) for d in both}) > 1 or len(both[0]) < 2:
        return math.nan
    each = sum(both) / len(both)
    return float(each.std(ddof=1) / math.sqrt(len(each)))


def paired_errors(groups: Sequence[Group], metric: str) -> list[list[float]]:
    """`paired_error` of each pair of groups: row i holds those of i and each group before it."""
    return [[paired_error(a, b, metric) for b in groups[:i]] for i, a in enumerate(groups)]


def paired_p(pairs: Sequence[tuple[float, float]]) -> float:
    """Two-sided p of Student's paired t-test."""
    if len(pairs) < 2:
        return math.nan
    from scipy.stats import ttest_rel

    if len({a - b for a, b in pairs}) == 1:
        return 1.0 if pairs[0][0] == pairs[0][1] else 0.0
    return float(ttest_rel([a for a, _ in pairs], [b for _, b in pairs]).pvalue)


def shown(row: Row, baseline: Group) -> list[str]:
    """n, mean ± sd, difference and p as a reader wants them."""
    spread = "" if math.isnan(row.sd) else f" ± {row.sd:.3f}"
    value = "–" if math.isnan(row.mean) else f"{row.mean:.3f}{spread}"
    if row.group is baseline:
        return [str(row.n), value, "baseline", ""]
    difference = "–" if math.isnan(row.difference) else f"{row.difference:+.3f}"
    if not math.isnan(row.error):
        difference += f" ± {row.error:.3f}"
    return [str(row.n), value, difference, "–" if math.isnan(row.p) else f"{row.p:.2g}"]


def beside(runs: Sequence[Run]) -> list[str]:
    """Metrics that are read beside the main one: of sentences, KL and perplexities."""
    found = {name for run in runs for name in run.metrics()}
    labelled = [f"test/{metric.name}" for metric in METRICS if metric.label]
    return [name for name in labelled if name in found] if "test/perplexity" in found else []


def beside_metric(runs: Sequence[Run], metric: str) -> list[str]:
    """What has a column beside the metric: over how many examples it is, where runs differ in that,
    and `beside`."""
    return [*([EXAMPLES] if len(measured(runs, metric)) > 1 else []), *beside(runs)]


def units(runs: Sequence[Run]) -> str:
    """What the test examples are made of, where they are counted: `82430 tokens, …`."""
    found, told = [run.metrics() for run in runs], []
    for metric in METRICS:
        name = f"test/{metric.name}"
        counts = {int(each[name]) for each in found if metric.counts and name in each}
        if len(counts) == 1:
            told.append(f"{min(counts)} {metric.counts}")
    return ", ".join(told)


def measured(runs: Sequence[Run], metric: str) -> list[int | None]:
    """Over how many examples a metric was measured in some runs, each number once."""
    found = {run.measured(metric) for run in runs if metric in run.metrics()}
    return sorted(found, key=lambda n: n or 0)


def of_examples(runs: Sequence[Run], metric: str) -> str:
    """`test/nll of 20 examples` where that is so for all of them, else nothing."""
    counts = measured(runs, metric)
    return f"{metric} of {counts[0]} examples" if len(counts) == 1 and counts[0] else ""


def header(keys: Sequence[str], metric: str, also: Sequence[str] = ()) -> list[str]:
    """Names of the columns of `cells`."""
    first = [*(keys or ["runs"]), "n", f"{metric} (mean ± sd)", DIFFERENCE, P]
    return [*first, *(known(name).label or name for name in also)]


def cells(
    table: Sequence[Row],
    keys: Sequence[str],
    metric: str,
    baseline: Group,
    also: Sequence[str] = (),
) -> list[list[str]]:
    """All rows as text."""
    found = []
    for row in table:
        options = [_text(row.group.options.get(key)) for key in keys] or [row.group.label]
        others = [_beside(row.group, name, metric) for name in also]
        found.append([*options, *shown(row, baseline), *others])
    return found


def _beside(group: Group, name: str, metric: str) -> str:
    if name == EXAMPLES:
        return " or ".join(_text(count) for count in measured(group.runs, metric)) or "–"
    values = group.values(name).values()
    return f"{statistics.fmean(values):.2f}" if values else "–"


def lost_cells(lost: Lost, keys: Sequence[str], columns: int) -> list[str]:
    """A row of `cells` for what has no result: why, where the others have the metric.

    Args:
        columns: how many there are.
    """
    of_seeds = f" (seed {', '.join(lost.seeds)})" if lost.seeds else ""
    first = [lost.options.get(key, "–") for key in keys] or ["–"]
    row = [*first, "0", textwrap.shorten(lost.reason, WORDS, placeholder=" …") + of_seeds]
    return [*row, *[""] * (columns - len(row))]


def said(head: Sequence[str], body: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """The table without what says nothing where no group has a second seed: their number, and p."""
    single = all(line[list(head).index("n")] in ("0", "1") for line in body)
    kept = [i for i, name in enumerate(head) if not (single and name in ("n", P))]
    return [head[i] for i in kept], [[line[i] for i in kept] for line in body]


def _text(value: object) -> str:
    return "–" if value is None else str(value)


def markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(
        "| " + " | ".join(c.replace("|", "\\|") for c in line) + " |" for line in lines
    )


def runs_csv(runs: Sequence[Run]) -> str:
    """One line a run: folder, seed, all that differs, and every metric."""
    keys = differing(runs)
    metrics = sorted({name for run in runs for name in run.metrics()})
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["folder", "seed", *keys, *metrics])
    for run in runs:
        values = run.metrics()
        options = [run.options.get(key, "") for key in keys]
        writer.writerow([run.folder, run.seed, *options, *(values.get(m, "") for m in metrics)])
    return out.getvalue()
