"""A result file: what the runs of one experiment, or one study, measured, without their folders."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vaebench.errors import Refusal
from vaebench.runs.find import DATA_DIRS, Run, rank, words_of
from vaebench.runs.groups import Group
from vaebench.runs.layout import STUDY, STUDY_TABLE, option_of
from vaebench.runs.tables import paired_error
from vaebench.runs.write import plain, write_whole

ASIDE = ("experiment", "budget", "seed", "logger", "callbacks", "trainer", "eval.measures")
"""Options whose words do not tell the rows of an experiment apart."""

BY_BUDGET = re.compile(r"\$\{by_budget:([^,{}]*),([^,{}]*)\}")

SEEDS_SUFFICE = 3
"""Common seeds from which two rows compare over seeds; below, over test examples."""

OLD = "not recorded"
"""The machine, and the commit, of runs from before summaries named them."""


@dataclass
class Row:
    """What runs that differ by their seed alone measured.

    Attributes:
        words: what was typed for them, of `ASIDE` nothing.
        budget: `small` or `full`; a study has none.
        options: a digest of all their options.
        runs: by seed, each with `seed`, `commit`, `machine`, `torch`, `seconds` and `metrics`.
    """

    words: str
    budget: str
    options: str
    runs: list[dict[str, Any]]

    def values(self, metric: str) -> dict[int, float]:
        """Seed → metric, of the runs that have it."""
        metrics = {run["seed"]: run["metrics"] for run in self.runs}
        return {seed: found[metric] for seed, found in metrics.items() if metric in found}

    def mean(self, metric: str) -> tuple[float, float]:
        """Over seeds, and its standard error; of one seed that over its test examples, as the run told
        it; not a number where there is none."""
        values = [*self.values(metric).values()]
        if not values:
            return math.nan, math.nan
        if len(values) > 1:
            return statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values))
        return values[0], next(iter(self.values(f"{metric}_se").values()), math.nan)


@dataclass
class Pair:
    """Two rows of too few common seeds, test example by test example.

    Attributes:
        metric, budget: of which.
        words: of the two.
        difference: the first less the second.
        error: its standard error over examples.
        examples: how many.
    """

    metric: str
    budget: str
    words: list[str]
    difference: float
    error: float
    examples: int


@dataclass
class Result:
    """A result file.

    Attributes:
        name: of the experiment or study.
        command: that makes all of it.
        rows: in the order of their words.
        pairs: of rows with fewer than `SEEDS_SUFFICE` common seeds.
    """

    name: str
    command: str
    rows: list[Row] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)

    def row(self, words: str, budget: str) -> Row | None:
        """The one of these words; their order does not matter."""
        found = (r for r in self.rows if (r.words, r.budget) == (ordered(words.split()), budget))
        return next(found, None)


# ------------------------------------------------------------------------------------------ gathering
def gathered(runs: Sequence[Run], commit: str = "") -> list[Result]:
    """The runs of each experiment as a result.

    Args:
        commit: of runs whose summary names none.
    """
    found: dict[str, list[Run]] = {}
    for run in runs:
        name = run.choices.get("experiment", "none")
        found.setdefault("runs" if name == "none" else name, []).append(run)
    return [_result(name, members, commit) for name, members in sorted(found.items())]


def _result(name: str, runs: Sequence[Run], commit: str) -> Result:
    members: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        budget = str(run.summary.get("config.budget", "small"))
        members.setdefault((_told(run), budget, _digest(run)), []).append(run)
    own = Result(name, f"vaebench experiment={name}" if name != "runs" else "vaebench")
    groups: dict[tuple[str, str], Group] = {}
    for (words, budget, digest), of in members.items():
        row = Row(words, budget, digest, [_run(run, commit) for run in of])
        own = merged(own, Result(name, own.command, [row]))[0]
        groups[words, budget] = Group(words, of)
    for (one, budget), (two, other) in itertools.combinations(sorted(groups), 2):
        if budget == other:
            own.pairs += _pairs(groups[one, budget], groups[two, budget], budget)
    return own


def _told(run: Run) -> str:
    """The words of a run, those of `ASIDE` left out, none escaped, each with the value of its budget."""
    full = run.summary.get("config.budget") == "full"
    words = (re.sub(r"\\(.)", r"\1", word) for word in words_of(run.folder))
    words = (BY_BUDGET.sub(r"\2" if full else r"\1", word) for word in words)
    return ordered(w for w in words if option_of(w) not in (*ASIDE, *DATA_DIRS, "dataset.run"))


def ordered(words: Iterable[str]) -> str:
    """Groups first, then options."""
    return " ".join(sorted(words, key=lambda word: (rank(option_of(word)), word)))


def _digest(run: Run) -> str:
    options = {name: v for name, v in run.options.items() if name.partition(".")[0] not in ASIDE}
    text = json.dumps(options, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _run(run: Run, commit: str) -> dict[str, Any]:
    summary, found = run.summary, run.metrics()
    kept = {
        n: v
        for n, v in found.items()
        if n.startswith(("test/", "evaluation/")) and not n.endswith(("/seconds", "/seed"))
    }
    return {
        "seed": run.seed,
        "commit": summary.get("versions.commit") or (f"{commit}, by hand" if commit else OLD),
        "machine": summary.get("machine") or OLD,
        "torch": summary.get("versions.torch", OLD),
        "seconds": round(found.get("seconds", 0.0), 1),
        "metrics": _rounded(kept),
    }


def _rounded(metrics: Mapping[str, float]) -> dict[str, float]:
    """Each by its standard error, to a thousandth of it; else to six digits."""
    found = {}
    for name, value in sorted(metrics.items()):
        error = abs(metrics.get(f"{name}_se", 0.0))
        if math.isfinite(value):
            digits = 3 - math.floor(math.log10(error)) if error and math.isfinite(error) else None
            found[name] = float(f"{value:.6g}") if digits is None else round(value, digits)
    return found


def _pairs(one: Group, two: Group, budget: str) -> list[Pair]:
    first, second = one.per_example, two.per_example
    metrics = sorted({m for run in one.runs for m in run.examples} & {*one.runs[0].metrics()})
    found = []
    for metric in metrics:
        values, base = one.values(metric), two.values(metric)
        common = values.keys() & base.keys()
        error = paired_error(one, two, metric)
        if 0 < len(common) < SEEDS_SUFFICE and math.isfinite(error):
            both = first(metric).keys() & second(metric).keys()
            difference = statistics.fmean(values[s] - base[s] for s in both)
            count = len(first(metric)[min(both)])
            told = float(f"{difference:.4g}"), float(f"{error:.4g}")
            found.append(Pair(metric, budget, [one.label, two.label], *told, count))
    return found


# ------------------------------------------------------------------------------------------- studies
def study(folder: Path) -> Result | str:
    """What a study left in its folder, a row for each of its table; or why there is nothing to keep."""
    about = read_json(folder / STUDY)
    if "study" not in about:
        return f"{folder}: {STUDY} does not name its study: it is of an older version"
    with (folder / STUDY_TABLE).open(encoding="utf-8", newline="") as file:
        table = [*csv.DictReader(file)]
    numbers = [c for c in table[0] if all(_number(line[c]) is not None for line in table)]
    metrics = [c for c in numbers if not all(line[c].lstrip("-").isdigit() for line in table)]
    rows = []
    for line in table:
        told = ordered(f"{c}={line[c].replace(' ', '_')}" for c in line if c not in metrics)
        run = {name: about.get(name, OLD) for name in ("commit", "machine", "torch")}
        run |= {"seed": about.get("option.seed", 0), "seconds": about.get("seconds", 0.0)}
        values = {c: float(line[c]) for c in metrics}
        rows.append(Row(told, "", "", [run | {"metrics": _rounded(values)}]))
    return Result(about["study"], about["command"], rows)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


# ------------------------------------------------------------------------------- reading and writing
def merged(before: Result, more: Result) -> tuple[Result, list[str]]:
    """Two results of one name as one: a seed's later run counts, and runs of other options under the same
    words replace what was there.

    Returns:
        The result, and a line on each row that was replaced.
    """
    rows = {(row.words, row.budget): row for row in before.rows}
    lines = []
    for row in more.rows:
        old = rows.get((row.words, row.budget))
        if old and old.options != row.options:
            lines.append(f"{more.name}: {row.words or 'the row'} has other options than before")
        kept = old.runs if old and old.options == row.options else []
        by_seed = {run["seed"]: run for run in [*kept, *row.runs]}
        runs = [by_seed[seed] for seed in sorted(by_seed)]
        rows[row.words, row.budget] = Row(row.words, row.budget, row.options, runs)
    new = {(row.words, row.budget) for row in more.rows}
    kept_pairs = [p for p in before.pairs if not any((w, p.budget) in new for w in p.words)]
    pairs = sorted([*kept_pairs, *more.pairs], key=lambda p: (p.budget, p.metric, p.words))
    in_order = [rows[key] for key in sorted(rows, key=lambda key: (key[1], _natural(key[0])))]
    return Result(more.name, more.command, in_order, pairs), lines


def _natural(text: str) -> list[tuple[int, str]]:
    """Sorts k=5 before k=50 and after k=1."""
    parts = re.split(r"(\d+)", text)
    return [(int(p), "") if p.isdigit() else (-1, p) for p in parts]


def read_json(path: Path) -> dict[str, Any]:
    """A file that a run, a study or a report left.

    Raises:
        Refusal: it cannot be read.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refusal(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise Refusal(f"{path} cannot be read: it holds no object")
    return found


def read_result(path: Path) -> Result:
    """A result file.

    Raises:
        Refusal: it cannot be read, or is none.
    """
    found = read_json(path)
    try:
        rows = [
            Row(row["words"], row["budget"], row["options"], row["runs"]) for row in found["rows"]
        ]
        return Result(found["name"], found["command"], rows, [Pair(**p) for p in found["pairs"]])
    except (KeyError, TypeError) as error:
        raise Refusal(f"{path} is no result file: {type(error).__name__} {error}") from error


def write_result(path: Path, result: Result) -> None:
    """The whole file or none of it, a line for each row: the same result is the same bytes."""
    content = asdict(result)
    for row, of in zip(content["rows"], result.rows, strict=True):
        metrics = sorted({m for run in of.runs for m in run["metrics"] if not m.endswith("_se")})
        if len(of.runs) > 1:
            row["means"] = {m: [_short(x) for x in of.mean(m)] for m in metrics}
    parts = [f'"{name}": {_lines(said)}' for name, said in content.items()]
    write_whole(path, "{\n" + ",\n".join(parts) + "\n}\n")


def _lines(said: Any) -> str:
    if not isinstance(said, list):
        return json.dumps(said)
    lines = (json.dumps(each, ensure_ascii=False, allow_nan=False) for each in said)
    return "[\n" + ",\n".join(lines) + "\n]"


def _short(value: float) -> Any:
    return plain(float(f"{value:.5g}"))
