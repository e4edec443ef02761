"""Text data sets: sentences as rows of token numbers, and the protocol behind them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from itertools import chain
from typing import Any, Literal

from torch import Tensor

from vaebench.data.access import integers
from vaebench.data.arrangement import ByLength, Shuffled
from vaebench.data.base import Dataset, Part
from vaebench.data.columns import Column, InMemorySplit
from vaebench.data.protocol import Split
from vaebench.data.spec import PAD, UNK, Batch, Field, Spec, Support
from vaebench.data.text.corpus import Corpus, Rows
from vaebench.data.text.tokens import (
    SPECIAL,
    Sentence,
    as_tokens,
    characters,
    numbers,
    vocabulary,
    words,
)
from vaebench.errors import DataError

Unit = Literal["word", "character"]
JOINER: dict[Unit, str] = {"word": " ", "character": ""}

Groups = Mapping[str, Sequence[Sentence]]


class Sentences(Dataset):
    """Sentences of a vocabulary of the training split; a new text data set implements `read`.

    A batch's `x` holds, row by row, a sentence's tokens, then `EOS`, then `PAD`, `[B, l]`, where l is
    the longest of the batch.

    Args:
        vocabulary: how many symbols can be predicted at most, `<eos>` and `<unk>` among them: the
            most frequent ones of the training split.
        min_count: how often a symbol must occur there to be known.
        max_length: symbols of a sentence, without its end; longer ones are left out of every split.
            0: no limit.
        bucket: whether training batches hold sentences of similar length.

    Attributes:
        held_out: which sentences are; None where `read` tells.
    """

    unit: Unit = "word"
    lower: bool = False
    held_out: Split | None = None

    def __init__(self, *, vocabulary: int, min_count: int, max_length: int, bucket: bool) -> None:
        given = {"vocabulary": vocabulary, "min_count": min_count, "max_length": max_length}
        for (name, number), least in zip(given.items(), (3, 1, 0), strict=True):
            if number < least:
                raise DataError(f"dataset.{name}={number}: must be at least {least}")
        self.size, self.min_count, self.max_length = vocabulary, min_count, max_length
        self.bucket = bucket

    @abstractmethod
    def read(self) -> Groups:
        """Sentences by split; those that `split` divides in one group of any name."""

    def symbols_of(self, line: str) -> Sentence:
        """What a line of text is made of, in the symbols that `read` gives."""
        line = line.lower() if self.lower else line
        return words(line) if self.unit == "word" else characters(line)

    def tokens(self, lines: Sequence[str]) -> Tensor:
        """Sentences as the rows of a batch, `[B, l]`.

        Raises:
            DataError: one is longer than all that were read.
        """
        number, (longest,) = numbers(self.corpus.symbols), self.spec["x"].shape
        rows = [as_tokens(number, self.symbols_of(line)) for line in lines]
        for line, row in zip(lines, rows, strict=True):
            if len(row) > longest:
                raise DataError(
                    f"{line[:40]!r} has {len(row) - 1} {self.unit}s; the longest sentence of the "
                    f"data has {longest - 1}"
                )
        return Rows.of(rows, max(map(len, rows), default=1)).tokens.long()

    @cached_property
    def corpus(self) -> Corpus:
        """Everything that is read, in numbers."""
        parts, left_out = self.texts()
        symbols = self._known(parts["train"])
        number = numbers(symbols)
        ids = {part: [as_tokens(number, s) for s in group] for part, group in parts.items()}
        width = max(map(len, chain.from_iterable(ids.values())))
        return Corpus(symbols, {part: Rows.of(rows, width) for part, rows in ids.items()}, left_out)

    def texts(self) -> tuple[Groups, int]:
        """Sentences of each split, in symbols, and how many were too long for any."""
        groups = self.read()
        short = {name: self._short(group) for name, group in groups.items()}
        left_out = sum(len(group) - len(short[name]) for name, group in groups.items())
        return self._divided(short), left_out

    def _short(self, sentences: Sequence[Sentence]) -> Sequence[Sentence]:
        """Those that are not too long.

        Raises:
            DataError: none is left.
        """
        if not self.max_length:
            return sentences
        short = [s for s in sentences if len(s) <= self.max_length]
        if not short:
            shortest = min(map(len, sentences))
            raise DataError(
                f"dataset.max_length={self.max_length}: no sentence is left, since the shortest "
                f"has {shortest} {self.unit}s. Use dataset.max_length=0."
            )
        return short

    def _divided(self, groups: Groups) -> Groups:
        if self.held_out is None:
            return groups
        (group,) = groups.values()
        indices = self.held_out.indices(len(group))
        return {part: [group[i] for i in index.tolist()] for part, index in indices.items()}

    def _known(self, sentences: Sequence[Sentence]) -> tuple[str, ...]:
        symbols = vocabulary(sentences, self.size, self.min_count)
        if len(symbols) == len(SPECIAL):
            raise DataError(
                f"dataset.min_count={self.min_count}: no {self.unit} occurs as often in the "
                "training split. Use dataset.min_count=1."
            )
        return symbols

    @property
    def spec(self) -> Spec:
        train, symbols = self.corpus.parts["train"], self.corpus.symbols
        x = Field(
            (train.tokens.shape[1],),
            Support.TOKENS,
            levels=len(symbols),
            symbols=symbols,
            joiner=JOINER[self.unit],
        )
        return Spec({"x": x}, len(train.tokens))

    def split(self, part: Part) -> InMemorySplit:
        rows = self.corpus.parts[part]
        columns = {"x": Column(rows.tokens, integers, lengths=rows.lengths)}
        return InMemorySplit(columns, ByLength(rows.lengths) if self.bucket else Shuffled())

    def units(self, batch: Batch) -> dict[str, Tensor]:
        """`tokens`, the end of a sentence among them, and `tokens_without_end`."""
        tokens = (batch["x"] != PAD).sum(-1)
        return {"tokens": tokens, "tokens_without_end": tokens - 1}

    @property
    def notes(self) -> list[str]:
        left = self.corpus.left_out
        kept = sum(len(rows.lengths) for rows in self.corpus.parts.values())
        if not left:
            return []
        return [
            f"{left} of {left + kept} sentences have more than {self.max_length} {self.unit}s and are "
            "left out of every split (dataset.max_length=0 keeps all)"
        ]

    @property
    def protocol(self) -> dict[str, Any]:
        """Counts are by split; `vocabulary` is of what can be predicted: all symbols but `<pad>`."""
        parts = self.corpus.parts
        split = {"kind": "official"} if self.held_out is None else asdict(self.held_out)
        ends = {part: int(rows.lengths.sum()) for part, rows in parts.items()}
        return {
            "split": split | {"sizes": {part: len(rows.lengths) for part, rows in parts.items()}},
            "unit": self.unit,
            "max_length": self.max_length,
            "left_out": self.corpus.left_out,
            "vocabulary": len(self.corpus.symbols) - 1,
            "tokens": {part: n - len(parts[part].lengths) for part, n in ends.items()},
            "tokens_and_ends": ends,
            "unknown": {part: int((rows.tokens == UNK).sum()) for part, rows in parts.items()},
            "digest": self.corpus.digest,
        }
