"""Runs to the text of a page: one file, which asks nobody for anything."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from vaebench.runs.find import Run
from vaebench.runs.page.data import Data, gather

SCRIPTS = (
    "statistics",
    "view",
    "chart",
    "ranking",
    "table",
    "curves",
    "plots",
    "side",
    "export",
    "follow",
    "page",
)
"""In the order in which they build on one another."""

NOBODY, SERVER = "'none'", "'self'"
"""Whom a page may ask: a page that is written nobody, one that is served its server."""


def build(runs: Sequence[Run], skipped: Sequence[str], title: str, at: Path | None = None) -> str:
    """The page of finished runs.

    Args:
        runs: of any subjects: each has a section of its own.
        skipped: a line on each folder that was no finished run.
        title: of the page.
        at: the folder that it will lie in, from where its links lead to the runs.
    """
    return page(gather(runs, skipped, title, at))


def page(data: Data, ask: str = NOBODY) -> str:
    """The page of what was gathered.

    Args:
        data: what it shows at first.
        ask: whom its scripts may ask for more.
    """
    script = "\n".join(_asset(f"{name}.js") for name in SCRIPTS)
    parts = {
        "title": escape(str(data.told["title"])),
        "ask": ask,
        "style": _asset("page.css"),
        "script": script,
        "data": as_json(data.told),
        "numbers": data.numbers,
    }
    return _filled(_asset("page.html"), parts)


def _filled(text: str, parts: dict[str, str]) -> str:
    """The text with its parts; what stands in a part is not looked into."""
    first, *rest = text.split("{{")
    return first + "".join(
        parts[name] + after for name, _, after in (r.partition("}}") for r in rest)
    )


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def as_json(data: Any) -> str:
    """JSON that may stand inside a script element, without what JSON has no word for."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace(
        "<", "\\u003c"
    )
