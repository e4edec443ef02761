"""Options that stand elsewhere now."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vaebench.config.words import given
from vaebench.suggest import command_line, typed, use

WEIGHT_SD = re.compile(r"(?:no option ')?((?:(objective|posterior)\.)?weight_sd)\b")
"""How a line about an option that is now one of `weights=map` begins."""


def weight_prior(
    name: str, group: str | None, words: Sequence[str], args: Sequence[str]
) -> tuple[str, str]:
    """What to say, and to use, of a standard deviation of weights where it no longer stands."""
    word = given(words)[name]
    value = word.partition("=")[2]
    of = ["weights.of=[posterior]"] if group == "posterior" else []
    new = ["weights=map", *of, f"weights.sd={value}"]
    others = [w for k, w in given(args).items() if k.partition(".")[0] == "weights"]
    rest = [arg for arg in args if arg not in (word, *others)]
    if value.lstrip(".") == "inf":
        hint = command_line(*rest, *others)
    else:
        hint = command_line(*rest, *new) if others else " ".join(map(typed, new))
    return f"{word.lstrip('+')}: weights is a group of its own", use(hint)
