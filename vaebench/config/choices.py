"""`vaebench list [group]`: what can be chosen, one line each. Reads the YAML headers alone."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vaebench.errors import Refusal
from vaebench.suggest import did_you_mean, use

NARROWEST = 60
"""Columns that a terminal is taken to have at least."""


@dataclass(frozen=True)
class Choice:
    """One YAML of a group, with the title in its header."""

    group: str
    name: str
    title: str


def choices(folders: Iterable[Path]) -> dict[str, list[Choice]]:
    """Groups to their choices, sorted; the last folder that has a name wins, as in Hydra, where a
    user's folder adds to the package's choices and replaces none."""
    found: dict[str, dict[str, Choice]] = {}
    for folder in folders:
        for path in sorted(folder.glob("*/*.yaml")):
            group = path.parent.name
            choice = Choice(group, path.stem, title(path))
            found.setdefault(group, {})[path.stem] = choice
    return {group: [found[group][n] for n in sorted(found[group])] for group in sorted(found)}


def names(folders: Iterable[Path]) -> dict[str, list[str]]:
    """Groups to the names of their choices."""
    return {group: [c.name for c in found] for group, found in choices(folders).items()}


def title(path: Path) -> str:
    """The first comment of a YAML that is not a Hydra directive."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @package"):
            return line.removeprefix("#").strip()
    return ""


def listing(folders: Iterable[Path], group: str | None) -> str:
    """The text of `vaebench list`."""
    found = choices(folders)
    if group is not None and group not in found:
        hint = did_you_mean(group, found, "vaebench list {}") or use("vaebench list")
        raise Refusal(f"no group {group!r}; there are {', '.join(found)}.{hint}")
    width = max(len(c.name) for cs in found.values() for c in cs)
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    lines = []
    for name in found if group is None else [group]:
        lines += ["", name] if group is None else []
        for choice in found[name]:
            line = f"  {choice.name:{width}}  {choice.title}"
            lines.append(line if columns is None else _cut(line, max(columns, NARROWEST)))
    return "\n".join(lines).strip("\n")


def _cut(line: str, columns: int) -> str:
    """A line that fits; what is read by a program keeps all of it."""
    return line if len(line) <= columns else line[: columns - 1] + "…"
