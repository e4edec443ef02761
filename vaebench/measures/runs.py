"""Run folders read back: which are runs, what differs between them, and who is a seed of whom."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

SUMMARY, HISTORY, ERROR, HYDRA = "summary.json", "metrics.csv", "error.txt", ".hydra"
EVALUATION, EXAMPLES = "evaluation.json", "examples.csv"

NOT_A_CHOICE = ("seed", "name", "data_dir")
"""Options that make no other experiment of a run."""

ASIDE = ("eval", "checkpoint", "logger", "suggested")

GROUPS_FIRST = ("model", "posterior", "refine", "prior", "likelihood", "objective", "dataset")


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: where it lies.
        summary: what its summary.json holds.
    """

    folder: Path
    summary: dict[str, Any]

    @cached_property
    def options(self) -> dict[str, Any]:
        """What was chosen: groups by their choice, options by their value."""
        choices = _section(self.summary, "choices.")
        config = _section(self.summary, "config.")
        internal = ("_target_", "_partial_", "_convert_")
        options = {
            name: value
            for name, value in config.items()
            if name not in NOT_A_CHOICE
            and not name.endswith(internal)
            and not set(name.split(".")[1:-1]) & set(choices)  # said by that group itself
        }
        return {name: choices[name] for name in _ordered(choices)} | options

    @property
    def seed(self) -> int:
        """Of all its randomness."""
        return int(self.summary["seed"])

    @property
    def subject(self) -> tuple[str, ...]:
        """What its numbers are about: unlike subjects do not compare."""
        protocol = _section(self.summary, "protocol.")
        told = [f"{name}={value}" for name, value in sorted(protocol.items())]
        return (str(self.summary["quantity"]), str(self.summary["choices.dataset"]), *told)

    def metrics(self) -> dict[str, float]:
        """The last value of each metric, what the run took, and what `evaluate` measured."""
        taken = ("seconds", "parameters", "peak_memory_mb")
        return {
            name: float(value)
            for name, value in (self.summary | self.evaluation).items()
            if ("/" in name or name in taken) and isinstance(value, int | float)
        }

    @cached_property
    def examples(self) -> dict[str, np.ndarray[Any, Any]]:
        """Metric → its value at each test example; nothing where the run kept none."""
        try:
            with (self.folder / EXAMPLES).open(encoding="utf-8") as file:
                names = file.readline().strip().split(",")
                table = np.loadtxt(file, delimiter=",", ndmin=2)
        except (OSError, ValueError):
            return {}
        return dict(zip(names, table.T, strict=False))

    @cached_property
    def evaluation(self) -> dict[str, Any]:
        """`evaluation/…` of evaluation.json; nothing where there is none."""
        found = read_evaluation(self.folder / EVALUATION)
        return {f"evaluation/{name}": value for name, value in found.items()}

    def history(self) -> dict[str, np.ndarray]:
        """Columns of metrics.csv with `step`; not a number where a row has no entry."""
        path = self.folder / HISTORY
        if not path.exists():
            return {}
        table = np.genfromtxt(
            path, delimiter=",", names=True, deletechars="", ndmin=1, encoding="utf-8"
        )
        return {name: np.atleast_1d(table[name]) for name in table.dtype.names or ()}


@dataclass(frozen=True)
class Found:
    """What was under some paths.

    Attributes:
        runs: finished runs, by folder.
        skipped: a line on each folder that was no finished run.
    """

    runs: list[Run]
    skipped: list[str]


def find(paths: Iterable[Path]) -> Found:
    """The runs in or below some folders; what cannot be read is named, not an error."""
    folders: dict[Path, None] = {}
    for path in paths:
        marks = [m for n in (SUMMARY, ERROR, f"{HYDRA}/config.yaml") for m in path.rglob(n)]
        for mark in sorted(marks):
            folders[mark.parent.parent if mark.parent.name == HYDRA else mark.parent] = None
    runs, skipped = [], []
    for folder in folders:
        run = _read(folder)
        runs.append(run) if isinstance(run, Run) else skipped.append(f"{folder}: {run}")
    return Found(runs, skipped)


def _read(folder: Path) -> Run | str:
    """A run, or why it is none."""
    path = folder / SUMMARY
    if not path.exists():
        error = folder / ERROR
        return first_line(error) if error.exists() else "did not finish"
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return f"{SUMMARY} cannot be read ({' '.join(str(error).split())[:80]})"
    needed = ("quantity", "seed", "choices.dataset", "versions.vaebench")
    missing = [n for n in needed if not isinstance(summary, dict) or n not in summary]
    if missing:
        return f"{SUMMARY} is not of this program or of an older version: no {', '.join(missing)}"
    return Run(folder, summary)


def read_evaluation(path: Path) -> dict[str, Any]:
    """An evaluation.json; nothing where there is none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def first_line(path: Path) -> str:
    """What a run's error.txt begins with: what went wrong, before how."""
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[0] if lines else "failed"


@dataclass(frozen=True)
class Group:
    """Runs that differ by their seed alone.

    Attributes:
        label: what tells it from the other groups, e.g. `model=iwae k=5`.
        options: the same, as a mapping.
        runs: sorted by seed.
    """

    label: str
    options: dict[str, Any]
    runs: list[Run]

    def per_example(self, metric: str) -> dict[int, np.ndarray[Any, Any]]:
        """Seed → metric at each test example, of the runs that kept it."""
        return {r.seed: r.examples[metric] for r in self.runs if metric in r.examples}

    def values(self, metric: str) -> dict[int, float]:
        """Seed → metric, of the runs that have it."""
        return {r.seed: r.metrics()[metric] for r in self.runs if metric in r.metrics()}


def groups(runs: Sequence[Run]) -> list[Group]:
    """Runs by what they have in common but for the seed, in the order of their first folder."""
    keys = differing(runs)
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(json.dumps(run.options, sort_keys=True, default=str), []).append(run)
    return [
        Group(
            " ".join(f"{k}={members[0].options.get(k, '–')}" for k in keys) or "all the same",
            {k: members[0].options.get(k) for k in keys},
            sorted(members, key=lambda r: r.seed),
        )
        for members in found.values()
    ]


def differing(runs: Sequence[Run]) -> list[str]:
    """Options that not all runs share, without those that only repeat an earlier one.

    `model=iwae` brings an objective of its own: where each model has just one, `objective` tells
    nothing that `model` does not. Nor does an option within a group tell more than its choice
    where each choice has just one value of it.
    """
    names: dict[str, None] = {}
    for run in runs:
        names |= dict.fromkeys(run.options)
    kept: dict[tuple[int, ...], str] = {}
    for name in sorted(names, key=_rank):
        partition = _partition([str(run.options.get(name)) for run in runs])
        if max(partition, default=0) > 0 and not _implied(name, partition, runs):
            kept.setdefault(partition, name)
    return list(kept.values())


def _implied(name: str, partition: tuple[int, ...], runs: Sequence[Run]) -> bool:
    """Whether the choice of an option's group settles its value."""
    group, inside, _ = name.partition(".")
    if not inside:
        return False
    choices = _partition([str(run.options.get(group)) for run in runs])
    return len(set(zip(choices, partition, strict=True))) == len(set(choices))


def _partition(values: list[str]) -> tuple[int, ...]:
    """The same number for the same value, in the order of appearance."""
    seen: dict[str, int] = {}
    return tuple(seen.setdefault(value, len(seen)) for value in values)


def _section(flat: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {n.removeprefix(prefix): v for n, v in flat.items() if n.startswith(prefix)}


def _ordered(names: Iterable[str]) -> list[str]:
    return sorted(names, key=_rank)


def _rank(name: str) -> tuple[int, bool, int, str]:
    """Groups first, the model before all; then the options nearest to the root; last how a run was
    measured and kept, which tells less of it."""
    first = GROUPS_FIRST.index(name) if name in GROUPS_FIRST else len(GROUPS_FIRST)
    return first, name.partition(".")[0] in ASIDE, name.count("."), name
