"""Run folders read back: which are runs, and what was chosen for each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from vaebench.config.groups import LEADING
from vaebench.runs.layout import CONFIG, ERROR, HYDRA, OVERRIDES, SUMMARY, option_of
from vaebench.runs.results import read_evaluation, read_examples, reason_of

DATA_DIRS = ("data_dir", "dataset.data_dir")
"""Options that may differ between two calls of a command without making another run of it."""

NOT_A_CHOICE = ("seed", "name", "dataset.run", *DATA_DIRS, "eval.measures")
"""Options that make no other experiment of a run."""

SEEDS = ("dataset.label_seed",)
"""Options that follow the seed unless somebody says otherwise."""

ASIDE = ("eval", "checkpoint", "logger", "suggested")


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: where it lies.
        summary: what its summary.json holds.
    """

    folder: Path
    summary: dict[str, Any]

    @property
    def choices(self) -> dict[str, str]:
        """Group → what was chosen of it."""
        return section(self.summary, "choices.")

    @cached_property
    def options(self) -> dict[str, Any]:
        """What was chosen: groups by their choice, options by their value."""
        choices = self.choices
        config = section(self.summary, "config.")
        internal = ("_target_", "_partial_", "_convert_")
        options = {
            name: value
            for name, value in config.items()
            if name not in NOT_A_CHOICE
            and not (name in SEEDS and value == self.summary["seed"])
            and not name.endswith(internal)
            and not set(name.split(".")[1:-1]) & set(choices)  # said by that group itself
        }
        return {name: choices[name] for name in sorted(choices, key=rank)} | options

    @cached_property
    def typed(self) -> frozenset[str]:
        """The options that somebody named on the command line; none where no word of it is left."""
        named = {option_of(word) for word in words_of(self.folder)}
        sections = tuple(f"{name}." for name in named - set(self.choices))
        return frozenset(o for o in self.options if o in named or o.startswith(sections))

    @property
    def seed(self) -> int:
        """Of all its randomness."""
        return int(self.summary["seed"])

    @property
    def subject(self) -> tuple[str, ...]:
        """What its numbers are about: unlike subjects do not compare."""
        protocol = section(self.summary, "protocol.")
        told = [f"{name}={value}" for name, value in sorted(protocol.items())]
        return (str(self.summary["quantity"]), str(self.summary["choices.dataset"]), *told)

    def metrics(self) -> dict[str, float]:
        """The last value of each metric, what the run took, and what `evaluate` measured."""
        taken = ("seconds", "compile_seconds", "parameters", "peak_memory_mb")
        return {
            name: float(value)
            for name, value in (self.summary | self.evaluation).items()
            if ("/" in name or name in taken) and isinstance(value, int | float)
        }

    def measured(self, metric: str) -> int | None:
        """Over how many test examples a metric is the mean; None where it is not known."""
        beside = self.metrics().get(f"{metric.rpartition('/')[0]}/examples")
        if beside is not None:
            return int(beside)
        if not metric.startswith("test/"):
            return None
        kept = next((len(values) for values in self.examples.values()), None)
        return kept or self.summary.get("config.eval.examples") or None

    @cached_property
    def examples(self) -> dict[str, np.ndarray[Any, Any]]:
        """Metric → its value at each test example; nothing where the run kept none."""
        return read_examples(self.folder)

    @cached_property
    def evaluation(self) -> dict[str, Any]:
        """`evaluation/…` of evaluation.json; nothing where there is none."""
        found = read_evaluation(self.folder)
        return {f"evaluation/{name}": value for name, value in found.items()}


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
    runs, skipped = [], []
    for folder in run_folders(paths):
        run = _read(folder)
        runs.append(run) if isinstance(run, Run) else skipped.append(f"{folder}: {run}")
    return Found(runs, skipped)


def run_folders(paths: Iterable[Path]) -> list[Path]:
    """The folders in or below some others that a run has left something in, each once."""
    folders: dict[Path, None] = {}
    for path in paths:
        marks = [m for n in (SUMMARY, ERROR, CONFIG) for m in path.rglob(n)]
        for mark in sorted(marks):
            folders[mark.parent.parent if mark.parent.name == HYDRA else mark.parent] = None
    return list(folders)


def _read(folder: Path) -> Run | str:
    """A run, or why it is none."""
    path = folder / SUMMARY
    if not path.exists():
        return reason_of(folder)
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return f"{SUMMARY} cannot be read ({' '.join(str(error).split())[:80]})"
    needed = ("quantity", "seed", "choices.dataset", "versions.vaebench")
    missing = [n for n in needed if not isinstance(summary, dict) or n not in summary]
    if missing:
        return f"{SUMMARY} is not of this program or of an older version: no {', '.join(missing)}"
    return Run(folder, summary)


def words_of(folder: Path) -> list[str]:
    """What was typed for a run, as Hydra notes it, with what its grid chose for it."""
    try:
        words = yaml.safe_load((folder / OVERRIDES).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return []
    return [str(word) for word in words] if isinstance(words, list) else []


def section(flat: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """What begins with a prefix, without it."""
    return {n.removeprefix(prefix): v for n, v in flat.items() if n.startswith(prefix)}


def rank(name: str) -> tuple[int, bool, int, str]:
    """Groups first, the model before all; then the options nearest to the root; last how a run was
    measured and kept, which tells less of it."""
    first = LEADING.index(name) if name in LEADING else len(LEADING)
    return first, name.partition(".")[0] in ASIDE, name.count("."), name
