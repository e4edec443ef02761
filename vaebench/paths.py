"""Where the package's own files lie."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

UNKNOWN = "unknown"
"""The commit of what is installed."""


def conf_dir() -> Path:
    """The configs: inside the package where it is installed, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def templates_dir() -> Path:
    """What `vaebench new` fills in."""
    return Path(__file__).resolve().parent / "templates"


@cache
def commit() -> str:
    """Of the checkout that the package lies in, once for a process."""
    return commit_of(Path(__file__).resolve().parents[1])


def commit_of(root: Path) -> str:
    """`0dd6d23`, `0dd6d23 + changes` where the program or its configs differ from it, `unknown` where a
    folder is no checkout's own: an installed package may lie in another program's."""
    if _git(root, "rev-parse", "--show-toplevel") != str(root):
        return UNKNOWN
    short = _git(root, "rev-parse", "--short=7", "HEAD") or UNKNOWN
    changed = _git(root, "status", "--porcelain", "--", "vaebench", "conf")
    return f"{short} + changes" if changed else short


def _git(root: Path, *words: str) -> str:
    """What git says of a folder; nothing where it cannot."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def find_classes(*config_dirs: Path) -> None:
    """A user's own classes are imported from the current folder, as `python -m` would, from folders of
    choices, and from those that they lie in: as `conf/` lies beside what it names."""
    folders = [Path.cwd(), *(f for own in config_dirs for f in (own, own.parent))]
    sys.path += [f for f in dict.fromkeys(map(str, folders)) if f not in sys.path]
