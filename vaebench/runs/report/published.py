"""What papers published and claimed of the systems that were run: one file beside the result files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vaebench.errors import Refusal
from vaebench.runs.report.claims import Claim, ends
from vaebench.runs.report.record import ordered
from vaebench.suggest import did_you_mean

FILE = "published.yaml"


@dataclass(frozen=True)
class Published:
    """Values of one metric that a paper has.

    Attributes:
        metric: that they are to be held against.
        source: authors, year, table.
        verified: how far: read in the paper, second-hand, contradicted.
        values: words of a row → value, as it is printed: `≤87.5`.
    """

    metric: str
    source: str
    verified: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class System:
    """What is to be shown of one experiment or study.

    Attributes:
        name: of its result file.
        title: for people.
        command: that makes all of it.
        metrics: a column each.
        published: beside them.
        claims: to be tested.
        note: what a reader should know.
        shown: words that a row must have to be on the page; all are where there are none.
    """

    name: str
    title: str
    command: str
    metrics: tuple[str, ...] = ()
    published: tuple[Published, ...] = ()
    claims: tuple[Claim, ...] = ()
    note: str = ""
    shown: tuple[str, ...] = ()


KEYS = ("title", "command", "metrics", "published", "claims", "note", "shown")


def systems(folder: Path) -> list[System]:
    """What the file of a folder says, in its order; nothing where there is no file.

    Raises:
        Refusal: it cannot be read, or says what no system has.
    """
    path = folder / FILE
    if not path.exists():
        return []
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        return [_system(name, said, path) for name, said in found.items()]
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise Refusal(f"{path} cannot be read: {why}") from error


def _system(name: str, said: Mapping[str, Any], path: Path) -> System:
    for key in said:
        if key not in KEYS:
            raise Refusal(f"{path}: {name} says {key!r}.{did_you_mean(key, KEYS)}")
    published = tuple(
        Published(
            p["metric"],
            p["source"],
            p["verified"],
            {ordered(words.split()): str(value) for words, value in p["values"].items()},
        )
        for p in said.get("published", ())
    )
    claims = tuple(
        Claim(c["name"], tuple(ends(c["order"], c.get("metric", ""))))
        for c in said.get("claims", ())
    )
    return System(
        name,
        said["title"],
        said.get("command", f"vaebench experiment={name}"),
        tuple(said.get("metrics", ())),
        published,
        claims,
        said.get("note", ""),
        tuple(said.get("shown", ())),
    )
