"""What the page knows: sections of runs that compare, their groups, numbers and curves, as JSON."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vaebench.runs.clock import read_clock
from vaebench.runs.find import Run, section
from vaebench.runs.groups import Group, also_differ, by_subject, columns, differing, groups
from vaebench.runs.health import warnings
from vaebench.runs.history import read_arrays
from vaebench.runs.importance import importance
from vaebench.runs.layout import CLOCK, HISTORY
from vaebench.runs.live import DONE, Job
from vaebench.runs.metrics import known, reading_order
from vaebench.runs.page.numbers import Numbers
from vaebench.runs.page.pictures import pictures
from vaebench.runs.tables import main_metric, paired_errors, units

POINTS, FEWEST_POINTS, ALL_POINTS = 1000, 100, 600_000
"""Of a curve at most and at least, and of all together: more than a screen tells apart would only
make the page heavy."""

EXAMPLES = 600_000
"""Values of test examples, of the best runs first."""

PAIRED = 60
"""Groups whose differences have an error over the test examples, the best first."""

NOT_DRAWN = ("test", "step")

DIGITS = 9
"""Of a final number: a difference of two keeps enough for a test."""


@dataclass(frozen=True)
class Data:
    """What a page shows.

    Attributes:
        told: for JSON.
        numbers: what is too large for it, packed.
    """

    told: dict[str, Any]
    numbers: str


def gather(
    runs: Sequence[Run],
    skipped: Sequence[str],
    title: str,
    at: Path | None = None,
    jobs: Sequence[Job] | None = None,
) -> Data:
    """All that the page knows.

    Args:
        runs: finished ones, and what there is of others.
        skipped: a line on each folder that was no run.
        title: of the page.
        at: the folder that the page lies in, from where its links lead to the runs.
        jobs: of all runs that are being followed; none for a page that stays as it is.
    """
    subjects = by_subject(runs)
    members = [_ranked(of) for of in subjects]
    ordered = [run for found in members for group in found for run in group.runs]
    numbers, states = Numbers(), {job.folder: job for job in jobs or ()}
    root = _root([*(run.folder for run in runs), *(job.folder for job in jobs or ())])
    told = [_section(n, found, subjects) for n, found in enumerate(members)]
    each = _Each(root, at, states, numbers, ordered)
    rows = [
        each.row(run, n, g, told[n]["metrics"])
        for n, found in enumerate(members)
        for g, group in enumerate(found)
        for run in group.runs
    ]
    firsts = [group.runs[0] for found in members for group in found]
    drawn, left_out = pictures({run.folder: run for run in [*firsts, *ordered]}.values())
    for run, row in zip(ordered, rows, strict=True):
        row["pictures"] = drawn.get(run.folder, {})
    data = {
        "title": title,
        "root": str(root),
        "sections": told,
        "runs": rows,
        "curves": each.names,
        "curveUnits": [known(name).unit for name in each.names],
        "picturesLeftOut": left_out,
        "skipped": list(skipped),
        "jobs": None if jobs is None else [_job(job, root) for job in jobs],
    }
    return Data(data, numbers.packed())


def _root(folders: Sequence[Path]) -> Path:
    """The folder that all of them lie in."""
    return Path(os.path.commonpath(folders)) if folders else Path.cwd()


def _ranked(runs: Sequence[Run]) -> list[Group]:
    """Groups, the best by the main metric first: so colours and pictures go to those that matter."""
    metric = main_metric(runs)
    sign = -1 if known(metric).higher else 1
    found = [(group, [*group.values(metric).values()]) for group in groups(runs)]
    found.sort(key=lambda each: sign * float(np.mean(each[1])) if each[1] else math.inf)
    return [group for group, _ in found]


def _section(
    number: int, found: Sequence[Group], subjects: Sequence[Sequence[Run]]
) -> dict[str, Any]:
    """Runs that compare: what they are about, what differs in them, and their groups."""
    runs = [run for group in found for run in group.runs]
    in_order = subjects[number]
    names, varied = _metrics(runs), differing(runs)
    first = next(i for i, g in enumerate(found) if any(run is in_order[0] for run in g.runs))
    options = dict.fromkeys(name for run in runs for name in run.options)
    shared = [name for name in options if name not in set(_varied(runs, options))]
    return {
        "quantity": str(runs[0].summary["quantity"]),
        "dataset": runs[0].choices["dataset"],
        "protocol": _protocol(in_order, subjects),
        "units": units(runs),
        "keys": columns(runs),
        "differing": varied,
        "alsoDiffer": also_differ(runs),
        "shared": {name: str(runs[0].options[name]) for name in shared},
        "metric": main_metric(runs),
        "metrics": [_metric(name, runs) for name in names],
        "groups": [_group(group, options, shared) for group in found],
        "baseline": first,
        "errors": _errors(found, names),
        "importance": _importance(runs, varied, names),
    }


def _varied(runs: Sequence[Run], options: Mapping[str, Any]) -> list[str]:
    return [name for name in options if len({str(run.options.get(name)) for run in runs}) > 1]


def _group(group: Group, options: Mapping[str, Any], shared: Sequence[str]) -> dict[str, Any]:
    """What its runs chose, of what not all runs of the section share."""
    own = {n: group.options[n] for n in options if n in group.options and n not in set(shared)}
    return {"options": {name: _plain(value) for name, value in own.items()}}


def _plain(value: Any) -> Any:
    """Numbers stay numbers, which sort and have an axis; all else is a word."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if number and math.isfinite(value) else str(value)


def _protocol(runs: Sequence[Run], subjects: Sequence[Sequence[Run]]) -> str:
    """What of their data's protocol tells them from other runs of the same quantity and data set."""
    mine = section(runs[0].summary, "protocol.")
    others = [
        section(of[0].summary, "protocol.")
        for of in subjects
        if of[0].subject[:2] == runs[0].subject[:2]
    ]
    names = [n for n in mine if any(other.get(n) != mine[n] for other in others)]
    return " ".join(f"{name}={mine[name]}" for name in names)


def _metrics(runs: Sequence[Run]) -> list[str]:
    """Names of final metrics; the KL of every single dimension would drown the others."""
    found = {name for run in runs for name in run.metrics() if "_kl/" not in name}
    return sorted(found, key=reading_order)


def _metric(name: str, runs: Sequence[Run]) -> dict[str, Any]:
    """What a reader should know of a number."""
    of = known(name)
    told = {"unit": of.unit, "higher": of.higher, "digits": of.digits, "quality": of.quality}
    return {"name": name, **told}


def _errors(found: Sequence[Group], names: Sequence[str]) -> dict[str, list[list[float | None]]]:
    """Metric → the error of each pair of groups over the test examples, of the first `PAIRED`."""
    kept = {name for group in found for run in group.runs for name in run.examples}
    return {
        name: [[_finite(e, 4) for e in row] for row in paired_errors(found[:PAIRED], name)]
        for name in names
        if name in kept
    }


def _importance(
    runs: Sequence[Run], varied: Sequence[str], names: Sequence[str]
) -> dict[str, dict[str, float | None]]:
    """Metric → option → how they go together; nothing where no option differs."""
    found = {name: importance(runs, varied, name) for name in names} if varied else {}
    return {n: {o: _finite(v, 3) for o, v in each.items()} for n, each in found.items() if each}


def _finite(value: float, digits: int = 6) -> float | None:
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


class _Each:
    """Rows of runs, whose curves and examples go into the numbers."""

    def __init__(
        self,
        root: Path,
        at: Path | None,
        states: Mapping[Path, Job],
        numbers: Numbers,
        runs: Sequence[Run],
    ) -> None:
        self.root, self.at, self.states, self.numbers = root, at, states, numbers
        self.names: list[str] = []
        self.points = int(np.clip(ALL_POINTS / max(1, 8 * len(runs)), FEWEST_POINTS, POINTS))
        self.room = EXAMPLES

    def row(
        self, run: Run, section: int, group: int, metrics: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """One run."""
        history = read_arrays(run.folder / HISTORY, whole=True)
        job = self.states.get(run.folder)
        found = run.metrics()
        values = [_finite(found.get(of["name"], math.nan), DIGITS) for of in metrics]
        row: dict[str, Any] = {
            "folder": os.path.relpath(run.folder, self.root),
            "section": section,
            "group": group,
            "seed": run.seed,
            "k": _k(run, found),
            "examples": run.measured("test/"),
            "metrics": values,
            "state": job.state if job else DONE,
            "warnings": warnings(history, ended=job is None or job.state == DONE),
            "notes": str(run.summary.get("notes", "")),
            "curves": self.curves(history),
            "clock": self.clock(run),
            "values": self.values(run),
        }
        if self.at is not None:
            row["href"] = os.path.relpath(run.folder, self.at)
        return row

    def curves(self, history: Mapping[str, Any]) -> list[int]:
        """Four numbers a curve: its name's place, where steps and values begin, how many there are."""
        steps, told = history.get("step"), list[int]()
        for name in history:
            if name.startswith(NOT_DRAWN) or "_kl/" in name:
                continue
            at = np.flatnonzero(np.isfinite(history[name]))
            if steps is None or len(at) < 2:
                continue
            at = at[thinned(len(at), self.points)]
            if name not in self.names:
                self.names.append(name)
            where = self.numbers.add(steps[at], exact=True), self.numbers.add(history[name][at])
            told += [self.names.index(name), *where, len(at)]
        return told

    def clock(self, run: Run) -> list[int]:
        """Where steps, seconds and epochs begin, and how many there are; nothing without a clock."""
        found = read_clock(run.folder / CLOCK)
        if not len(found.get("step", ())):
            return []
        at = thinned(len(found["step"]), self.points)
        first = [
            self.numbers.add(found[name][at], exact=name == "step")
            for name in ("step", "seconds", "epoch")
        ]
        return [*first, len(at)]

    def values(self, run: Run) -> dict[str, list[int]]:
        """Metric → where its values at the test examples begin, and how many there are."""
        size = sum(len(values) for values in run.examples.values())
        if not size or size > self.room:
            return {}
        self.room -= size
        return {n: [self.numbers.add(v), len(v)] for n, v in run.examples.items()}


def _k(run: Run, found: Mapping[str, float]) -> int | None:
    """The k of L_k that `test/nll` is the negative of; nothing where it is exact."""
    return (
        int(run.summary["config.eval.k"])
        if found.get("test/kl") and "config.eval.k" in run.summary
        else None
    )


def thinned(size: int, most: int) -> Any:
    """Which of so many points are drawn, the first and the last among them."""
    return np.unique(np.linspace(0, size - 1, min(most, size)).round().astype(int))


def _job(job: Job, root: Path) -> dict[str, Any]:
    """How far a run is."""
    return {
        "folder": os.path.relpath(job.folder, root),
        "state": job.state,
        "step": job.step,
        "steps": job.steps,
        "left": _finite(job.left, 3),
        "reason": job.reason,
        "resume": job.resume,
        "warnings": job.warned,
    }
