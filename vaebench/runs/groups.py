"""Runs that are seeds of one another, and what tells such groups apart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vaebench.runs.find import Run, rank
from vaebench.runs.influence import Influence

COLUMNS = 3
"""Columns of options up to which those that split the runs alike stand side by side."""

Partition = tuple[int, ...]
"""Of each run the first that has the same value."""


@dataclass(frozen=True)
class Group:
    """Runs that differ by their seed alone.

    Attributes:
        label: what tells it from the other groups, e.g. `model=iwae k=5`.
        runs: sorted by seed.
    """

    label: str
    runs: list[Run]

    @property
    def options(self) -> dict[str, Any]:
        """What its runs chose."""
        return self.runs[0].options

    def per_example(self, metric: str) -> dict[int, np.ndarray[Any, Any]]:
        """Seed → metric at each test example, of the runs that kept it."""
        return {r.seed: r.examples[metric] for r in self.runs if metric in r.examples}

    def values(self, metric: str) -> dict[int, float]:
        """Seed → metric, of the runs that have it."""
        return {r.seed: r.metrics()[metric] for r in self.runs if metric in r.metrics()}


def by_subject(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs whose numbers are about the same, together."""
    found: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        found.setdefault(run.subject, []).append(run)
    return [*found.values()]


def groups(runs: Sequence[Run]) -> list[Group]:
    """Runs by what they have in common but for the seed, in the order of their first folder."""
    keys = columns(runs)
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(json.dumps(run.options, sort_keys=True, default=str), []).append(run)
    made = []
    for members in found.values():
        label = " ".join(f"{key}={members[0].options.get(key, '–')}" for key in keys)
        made.append(Group(label or "all the same", sorted(members, key=lambda run: run.seed)))
    return made


def differing(runs: Sequence[Run]) -> list[str]:
    """Options that not all runs share, without those that only follow from others of them.

    `model=iwae` brings an objective of its own, and that a k. What somebody typed follows from
    nothing. Any other option does where what it may follow from settles it: one value of it for
    each combination of theirs.
    """
    partitions = _partitions(runs)
    typed = {name for run in runs for name in run.typed}
    influence = Influence({c for run in runs for c in run.choices.items()})
    kept = [name for name in partitions if name in typed]
    for name in partitions:
        sources = influence.sources(name)
        causes = [partitions[other] for other in kept if other in sources]
        if name not in typed and not _settled(partitions[name], causes):
            kept.append(name)
    return sorted(kept, key=rank)


def columns(runs: Sequence[Run]) -> list[str]:
    """The options to tell the runs apart by: of those that split them alike the first, and the
    others while there are few."""
    first = {names[0] for names in _alike(runs)}
    more = [name for name in differing(runs) if name not in first][: max(0, COLUMNS - len(first))]
    return sorted([*first, *more], key=rank)


def also_differ(runs: Sequence[Run], shown: Sequence[str] | None = None) -> str:
    """A line on the options that differ and have no column: `also differ: prior=normal/vamp`.

    Args:
        shown: those that have a column.
    """
    shown = columns(runs) if shown is None else shown
    told = []
    for names in _alike(runs):
        rest = [_values(name, runs) for name in names if name not in shown]
        with_it = next((f" (with {_values(n, runs)})" for n in names if n in shown), "")
        told += [", ".join(rest) + with_it] if rest else []
    return f"also differ: {'; '.join(told)}" if told else ""


def _alike(runs: Sequence[Run]) -> list[list[str]]:
    """The differing options, together where they split the runs alike."""
    partitions = _partitions(runs)
    found: dict[Partition, list[str]] = {}
    for name in differing(runs):
        found.setdefault(partitions[name], []).append(name)
    return list(found.values())


def _values(name: str, runs: Sequence[Run]) -> str:
    """`prior=normal/vamp`, in the order of the runs."""
    values = dict.fromkeys(str(run.options.get(name, "–")) for run in runs)
    return f"{name}={'/'.join(values)}"


def _partitions(runs: Sequence[Run]) -> dict[str, Partition]:
    """How each option splits the runs, of those that do."""
    names = dict.fromkeys(name for run in runs for name in run.options)
    values = {n: [str(r.options.get(n)) for r in runs] for n in sorted(names, key=rank)}
    return {n: tuple(map(each.index, each)) for n, each in values.items() if len({*each}) > 1}


def _settled(partition: Partition, causes: Sequence[Partition]) -> bool:
    """Whether runs that agree in all causes agree in this."""
    if not causes:
        return False
    combined = list(zip(*causes, strict=True))
    return len(set(zip(combined, partition, strict=True))) == len(set(combined))
