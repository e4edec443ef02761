"""Which options an option's value may follow from, by the YAMLs of conf."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection
from functools import cache

import yaml

from vaebench.paths import conf_dir
from vaebench.runs.write import flat

REFERENCE = re.compile(r"\$\{(?:hydra:runtime\.choices\.)?([A-Za-z_][\w.]*)\}")
"""`${k}` in a value, and `${hydra:runtime.choices.objective}`, which names a group."""


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
        self.direct = defaultdict[str, set[str]](set)
        for group, choice in choices:
            for option, sources in _edges(group, choice).items():
                self.direct[option] |= sources

    def sources(self, option: str) -> set[str]:
        """All that an option's value may follow from, at once or through others."""
        found: set[str] = set()
        ahead = [option]
        while ahead:
            name = ahead.pop()
            group, inside, _ = name.partition(".")
            own = {group} if inside and group in self.groups else set()
            new = (self.direct[name] | own) - found
            found |= new
            ahead += new
        return found - {option}


@cache
def _edges(group: str, choice: str) -> dict[str, set[str]]:
    """Option → what its value may follow from at once, as one YAML says, and those of its own group
    that it builds on."""
    path = conf_dir() / group / f"{choice}.yaml"
    if not path.is_file():
        return {}
    text = path.read_text(encoding="utf-8")
    content = yaml.safe_load(text) or {}
    defaults = content.pop("defaults", [])
    own = content if "@package _global_" in text else {group: content}
    found = defaultdict[str, set[str]](set)
    for name, value in flat(own).items():
        found[name] |= {group, *REFERENCE.findall(str(value))}
    for entry in defaults:
        if isinstance(entry, str):  # a sibling to build on
            for option, sources in _edges(group, entry.partition("@")[0]).items():
                found[option] |= sources
        else:  # another group's choice
            for word in entry:
                found[word.removeprefix("override ").lstrip("/")].add(group)
    return dict(found)
