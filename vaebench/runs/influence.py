"""Which options an option's value may follow from, by the YAMLs of conf."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from typing import Any

import yaml

from vaebench.paths import conf_dir

REFERENCE = re.compile(r"\$\{(?:hydra:runtime\.choices\.)?([A-Za-z_][\w.]*)\}")
"""`${k}` in a value, and `${hydra:runtime.choices.objective}`, which names a group."""

Edges = dict[str, frozenset[str]]
"""Option → what its value may follow from at once."""


class Influence:
    """What may follow from what where some choices are made.

    `model=iwae` brings `objective=iwae`, which brings `k`; `model.latent_dim` follows what the data
    set suggests. Options below a group follow from its choice.

    Args:
        choices: pairs of group and choice; of a choice that conf does not hold, only the options
            below its group are known to follow from it.
    """

    def __init__(self, choices: Collection[tuple[str, str]]) -> None:
        self.groups = {group for group, _ in choices}
        self.direct: dict[str, set[str]] = {}
        for group, choice in choices:
            for option, sources in _edges(group, choice).items():
                self.direct.setdefault(option, set()).update(sources)

    def sources(self, option: str) -> set[str]:
        """All that an option's value may follow from, at once or through others."""
        found: set[str] = set()
        ahead = [option]
        while ahead:
            for source in self._at_once(ahead.pop()) - found:
                found.add(source)
                ahead.append(source)
        return found - {option}

    def _at_once(self, option: str) -> set[str]:
        group, inside, _ = option.partition(".")
        own = {group} if inside and group in self.groups else set()
        return self.direct.get(option, set()) | own


@cache
def _edges(group: str, choice: str) -> Edges:
    """What one YAML, and those of its own group that it builds on, say."""
    path = conf_dir() / group / f"{choice}.yaml"
    if not path.is_file():
        return {}
    text = path.read_text(encoding="utf-8")
    content = yaml.safe_load(text) or {}
    defaults = content.pop("defaults", [])
    own = content if "@package _global_" in text else {group: content}
    found = {name: {group, *REFERENCE.findall(str(value))} for name, value in _flat(own)}
    for entry in defaults:
        for option, sources in _of_default(group, entry):
            found.setdefault(option, set()).update(sources)
    return {option: frozenset(sources) for option, sources in found.items()}


def _of_default(group: str, entry: str | dict[str, str]) -> Iterator[tuple[str, Iterable[str]]]:
    """An entry of a defaults list: a sibling to build on, or another group's choice."""
    if isinstance(entry, str):
        yield from _edges(group, entry.partition("@")[0]).items()
        return
    for word in entry:
        yield word.removeprefix("override ").lstrip("/"), {group}


def _flat(node: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
