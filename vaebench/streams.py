"""Where output goes: terminals that cannot show every character, and readers that leave early."""

from __future__ import annotations

import codecs
import os
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

PLAINER = "vaebench.plainer"
"""The name of what stands in for characters that an encoding lacks."""

STANDS_IN = {
    "·": "-",
    "±": "+/-",
    "…": "...",
    "−": "-",
    "–": "-",
    "→": "->",
    "≤": "<=",
    "≥": ">=",
    "×": "x",
    "²": "^2",
    "‖": "||",
    "∇": "grad",
    "∞": "inf",
    "Σ": "sum",
    "█": "#",
}


@contextmanager
def patient(told: Callable[[], None] = lambda: None) -> Iterator[None]:
    """While open, no write to standard output or error fails for a character or a missing reader.

    Args:
        told: called when the reader of standard output leaves before the end.
    """
    codecs.register_error(PLAINER, _plainer)
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = out, err = _safe(before[0], told), _safe(before[1])
    try:
        yield
    finally:
        for stream in (out, err):
            stream.finish()
        sys.stdout, sys.stderr = before


def _plainer(error: UnicodeError) -> tuple[str, int]:
    """The nearest in ASCII to what cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_stand_in, error.object[error.start : error.end])), error.end


def _stand_in(character: str) -> str:
    if character in STANDS_IN:
        return STANDS_IN[character]
    if "\u2500" <= character <= "\u257f":  # what tables and trees are drawn with
        name = unicodedata.name(character)
        lone = {"HORIZONTAL": "-", "VERTICAL": "|"}
        return next((sign for word, sign in lone.items() if name.endswith(word)), "+")
    decomposed = unicodedata.normalize("NFKD", character)
    return decomposed.encode("ascii", "ignore").decode() or "?"


class Patient:
    """A text stream that goes on, to nowhere, when its reader has left.

    Args:
        stream: where text goes.
        told: called when that happens before the end.
    """

    def __init__(self, stream: Any, told: Callable[[], None]) -> None:
        self._stream, self._told = stream, told

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """What a text stream's does."""
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._to_nowhere()
            return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """What a text stream's does."""
        self.write("".join(lines))

    def flush(self) -> None:
        """What a text stream's does."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._to_nowhere()

    def finish(self) -> None:
        """The last flush, after which nobody minds that the reader has left."""
        self._told = lambda: None
        try:
            self.flush()
        except OSError:  # a full disk: the interpreter's own last flush must not fail again
            self._to_nowhere()
            raise

    def _to_nowhere(self) -> None:
        # The descriptor itself, so that what lies in buffers finds a reader too.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
        self._told()


def _safe(stream: Any, told: Callable[[], None] = lambda: None) -> Patient:
    if stream is None:  # closed before the program began
        stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - as long as the program
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors=PLAINER)
    return Patient(stream, told)
