"""Sentences in numbers, padded to one width."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """Sentences of one split.

    Attributes:
        tokens: `[N, L]`, int32: tokens, `EOS`, `PAD`.
        lengths: with the end, `[N]`.
    """

    tokens: Tensor
    lengths: Tensor

    @classmethod
    def of(cls, sentences: Sequence[Sequence[int]], width: int) -> Rows:
        """Token numbers of any length up to `width`, padded to it."""
        lengths = torch.tensor([len(s) for s in sentences])
        tokens = torch.zeros(len(sentences), width, dtype=torch.int32)
        flat = torch.tensor(list(chain.from_iterable(sentences)), dtype=torch.int32)
        tokens[torch.arange(width) < lengths.unsqueeze(1)] = flat
        return cls(tokens, lengths)


@dataclass(frozen=True)
class Corpus:
    """What was read, in numbers.

    Attributes:
        symbols: the vocabulary.
        parts: rows of each split, of one width L.
        left_out: how many sentences were too long.
    """

    symbols: tuple[str, ...]
    parts: dict[str, Rows]
    left_out: int

    @property
    def digest(self) -> str:
        """Tells apart corpora of the same counts: another file, another Python's documentation."""
        found = hashlib.sha256("\n".join(self.symbols).encode())
        for rows in self.parts.values():
            found.update(rows.tokens.numpy().tobytes())
        return found.hexdigest()[:12]
