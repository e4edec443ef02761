"""Sentences and their token numbers: what a word is, which are known, and the way there and back."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import chain

from torch import Tensor

from vaebench.data.spec import EOS, PAD, UNK

Sentence = Sequence[str]
"""Its symbols: words or characters."""

SPECIAL = ("<pad>", "<eos>", "<unk>")
"""Symbols of `PAD`, `EOS` and `UNK`."""

ABBREVIATION = re.compile(r"([^\W\d_]\.){2,}")


def words(line: str) -> list[str]:
    """White space separates words; punctuation at either end of one stands alone, what is inside stays.

    Equal marks in a row are one word, `e.g.` keeps its last dot, and `<unk>` is not taken apart.

    >>> words("Don't (ever) say well-known words, e.g. 3.14...")
    ["Don't", '(', 'ever', ')', 'say', 'well-known', 'words', ',', 'e.g.', '3.14', '...']
    """
    return [word for piece in line.split() for word in _peeled(piece)]


def _peeled(piece: str) -> list[str]:
    if piece == SPECIAL[UNK]:
        return [piece]
    inside = [i for i, c in enumerate(piece) if not _is_mark(c)]
    if not inside:
        return _runs(piece)
    first, last = inside[0], inside[-1] + 1
    if ABBREVIATION.fullmatch(piece[first : last + 1]):
        last += 1
    return [*_runs(piece[:first]), piece[first:last], *_runs(piece[last:])]


def _runs(marks: str) -> list[str]:
    """Equal marks in a row: `?!!` → `?`, `!!`."""
    return [run[0] for run in re.finditer(r"(.)\1*", marks)]


@cache
def _is_mark(character: str) -> bool:
    """Punctuation and symbols of any script; not the underscore of names."""
    return character != "_" and unicodedata.category(character)[0] in "PS"


def characters(line: str) -> list[str]:
    """Each character; white space is one space, wherever there is some."""
    return list(" ".join(line.split()))


def vocabulary(sentences: Iterable[Sentence], most: int, min_count: int) -> tuple[str, ...]:
    """The special symbols, then the others from frequent to rare, equally frequent ones in order.

    Args:
        most: how many can be predicted at most: `<eos>`, `<unk>` and what is read, but not `<pad>`.
        min_count: how often what is read must occur to be known.
    """
    counts = Counter(chain.from_iterable(sentences))
    frequent = (s for s, n in counts.items() if n >= min_count and s not in SPECIAL)
    known = sorted(frequent, key=lambda symbol: (-counts[symbol], symbol))
    return (*SPECIAL, *known[: most - 2])


def numbers(symbols: Sequence[str]) -> dict[str, int]:
    """The token number of each symbol that a sentence may hold: neither padding nor an end."""
    return {symbol: i for i, symbol in enumerate(symbols) if i not in (PAD, EOS)}


def as_tokens(number: Mapping[str, int], sentence: Iterable[str]) -> list[int]:
    """Token numbers of a sentence, then `EOS`; a symbol without a number is `UNK`.

    Args:
        number: `numbers(symbols)`.
    """
    return [*(number.get(symbol, UNK) for symbol in sentence), EOS]


def as_text(ids: Iterable[int] | Tensor, symbols: Sequence[str], joiner: str = " ") -> str:
    """The sentence up to its end, without padding.

    Args:
        ids: token numbers, `[l]`.
        symbols: of the data's `Field`.
        joiner: of the same.
    """
    found = []
    for i in ids.tolist() if isinstance(ids, Tensor) else ids:
        if i == EOS:
            break
        if i != PAD:
            found.append(symbols[i])
    return joiner.join(found)
