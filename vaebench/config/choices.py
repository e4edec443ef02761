"""`vaebench list [group]`: what can be chosen, one line each. Reads the YAML headers alone."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from vaebench.errors import Refusal
from vaebench.suggest import did_you_mean, use

NARROWEST = 60
"""Columns that a terminal is taken to have at least."""


def choices(folders: Iterable[Path]) -> dict[str, dict[str, str]]:
    """Groups to the names of their choices and the title of each, sorted; the last folder that has a
    name wins, as in Hydra, where a user's folder adds to the package's choices and replaces none."""
    found: dict[str, dict[str, str]] = {}
    for folder in folders:
        for path in folder.glob("*/*.yaml"):
            found.setdefault(path.parent.name, {})[path.stem] = title(path)
    return {group: dict(sorted(titles.items())) for group, titles in sorted(found.items())}


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
    width = max(len(name) for titles in found.values() for name in titles)
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    lines = []
    for one in found if group is None else [group]:
        lines += ["", one] if group is None else []
        for name, told in found[one].items():
            line = f"  {name:{width}}  {told}"
            lines.append(line if columns is None else _cut(line, max(columns, NARROWEST)))
    return "\n".join(lines).strip("\n")


def _cut(line: str, columns: int) -> str:
    """A line that fits; what is read by a program keeps all of it."""
    return line if len(line) <= columns else line[: columns - 1] + "…"
