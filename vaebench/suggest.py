"""Did you mean: the nearest of some names."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name that was probably meant, or None."""
    names = list(names)
    found = get_close_matches(name, names, n=1, cutoff=0.6)
    if not found:
        tails = {n.rpartition(".")[2]: n for n in names}
        found = [
            tails[t] for t in get_close_matches(name.rpartition(".")[2], tails, n=1, cutoff=0.8)
        ]
    return found[0] if found else None


def did_you_mean(name: str, names: Iterable[str], form: str = "{}") -> str:
    """` Did you mean …?`, or nothing."""
    found = nearest(name, names)
    return f" Did you mean {form.format(found)}?" if found else ""
