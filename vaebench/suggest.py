"""What to use instead: the nearest of some names, and how suggestions are written and found.

A refusal ends in ` Did you mean A?` after a typo, otherwise in ` Use A.` or ` Use A or B.`. Each of
them works as it stands: whole overrides, to paste over what was typed of the same option or else
after it, or a whole command line.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher, get_close_matches
from enum import Enum
from typing import Any

SUGGESTION = re.compile(r".*\b(?:Did you mean|Use) (.+)[?.]$")
UNQUOTED = re.compile(r"[\w@%+=:,./\[\]~-]*")
"""What no shell takes apart. It leaves a list as it is, unless a file is called like it."""


def nearest(name: str, names: Iterable[str], cutoff: float = 0.65) -> str | None:
    """The name that was probably meant, or None.

    A dotted name is compared within its own group first, then by its last part in all groups.

    Args:
        cutoff: how alike two names must be at least, of 1, within a group.

    >>> nearest("modle", ["model", "nets"])
    'model'
    >>> nearest("lr", ["optimizer.lr", "k"])
    'optimizer.lr'
    """
    name, names = name.lower(), list(names)
    group, _, tail = name.rpartition(".")
    siblings = [n for n in names if n.rpartition(".")[0] == group]
    for among, alike in ((siblings, cutoff), (names, max(cutoff, 0.75))):
        tails = {n.rpartition(".")[2] for n in among}
        for found in get_close_matches(tail, tails, n=1, cutoff=alike):
            if len(tail) > 3 or tail[:1] == found[:1]:  # tpu is no typo of gpu
                ends = [n for n in among if n.rpartition(".")[2] == found]
                return max(ends, key=lambda n: SequenceMatcher(None, name, n).ratio())
    return None


def did_you_mean(name: str, names: Iterable[str], form: str = "{}") -> str:
    """` Did you mean …?`, or nothing."""
    found = nearest(name, names)
    return f" Did you mean {form.format(found)}?" if found else ""


def unknown(option: str, names: Iterable[str], known: Iterable[str]) -> str | None:
    """What to say of the first of some names that is not known, or nothing.

    Args:
        option: the list that they stand in, as in `measures=[…]`.
    """
    known = list(known)
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known, f"{option}=[{{}}]")
            return f"{option}=[{name}]: there are {', '.join(known)}.{hint}"
    return None


def use(*suggestions: str) -> str:
    """` Use … or ….`, or nothing."""
    return f" Use {' or '.join(suggestions)}." if suggestions else ""


def suggestions(line: str) -> list[str]:
    """What a refusal suggests."""
    found = SUGGESTION.match(line)
    return re.split(r",? or ", found[1]) if found else []


def unadvised(line: str) -> str:
    """A refusal without what it suggests.

    >>> unadvised("k=0: must be at least 1. Use k=1.")
    'k=0: must be at least 1.'
    """
    found = SUGGESTION.match(line)
    return re.sub(r" (Did you mean|Use) $", "", line[: found.start(1)]) if found else line


def override(name: str, value: Any) -> str:
    """`name=value`, as it is typed."""
    return typed(f"{name}={literal(value)}")


def command_line(*args: str) -> str:
    """`vaebench …`, as it is typed."""
    return " ".join(["vaebench", *map(typed, args)])


def typed(word: str) -> str:
    """A word of a command line, quoted where a shell would take it apart."""
    return word if UNQUOTED.fullmatch(word) else shlex.quote(word)


def literal(value: Any) -> str:
    """A value of an option, as it is typed."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{','.join(map(literal, value))}]"
    return "null" if value is None else str(value)
