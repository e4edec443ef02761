"""Where the package's own files lie."""

from __future__ import annotations

import sys
from pathlib import Path


def conf_dir() -> Path:
    """The configs: inside the package where it is installed, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def templates_dir() -> Path:
    """What `vaebench new` fills in."""
    return Path(__file__).resolve().parent / "templates"


def find_classes(*config_dirs: Path) -> None:
    """A user's own classes are imported from the current folder, as `python -m` would, from folders of
    choices, and from those that they lie in: as `conf/` lies beside what it names."""
    folders = [Path.cwd(), *(f for own in config_dirs for f in (own, own.parent))]
    sys.path += [f for f in dict.fromkeys(map(str, folders)) if f not in sys.path]
