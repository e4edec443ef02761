"""Where the package's own files lie."""

from __future__ import annotations

from pathlib import Path


def conf_dir() -> Path:
    """The configs: inside the package where it is installed, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"
