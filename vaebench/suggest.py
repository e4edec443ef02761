"""Did you mean: the nearest of some names."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name that was probably meant, or None.

    A dotted name is compared within its own group first, then by its last part in all groups.
    """
    names = list(names)
    group, _, tail = name.rpartition(".")
    siblings = {n.rpartition(".")[2]: n for n in names if n.rpartition(".")[0] == group}
    everywhere = {n.rpartition(".")[2]: n for n in names}
    for tails, cutoff in ((siblings, 0.6), (everywhere, 0.8)):
        found = get_close_matches(tail, tails, n=1, cutoff=cutoff)
        if found:
            return tails[found[0]]
    return None


def did_you_mean(name: str, names: Iterable[str], form: str = "{}") -> str:
    """` Did you mean …?`, or nothing."""
    found = nearest(name, names)
    return f" Did you mean {form.format(found)}?" if found else ""
