"""Output of several processes in one terminal: each line says whose it is."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
from collections.abc import Iterator
from typing import TextIO


class Attributed(io.TextIOBase):
    """Text goes on to a stream by whole lines, each behind a label.

    It is no terminal: a bar that is drawn over would draw over other processes' lines.
    """

    def __init__(self, stream: TextIO, label: str) -> None:
        self.stream, self.label, self.begun = stream, label, ""

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed has a field
        """That of the stream."""
        return self.stream.encoding

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Keeps what has no end yet; lines of one call stay together."""
        *lines, self.begun = (self.begun + text).split("\n")
        if lines:
            self.stream.write("".join(f"{self.label}{line}".rstrip() + "\n" for line in lines))
            self.stream.flush()
        return len(text)

    def flush(self) -> None:
        """Lines are on their way already."""

    def finish(self) -> None:
        """What has no end is a line of its own."""
        if self.begun:
            self.write("\n")


@contextlib.contextmanager
def attributed(label: str) -> Iterator[None]:
    """Whatever this process prints meanwhile has a label, and the width that is left beside it."""
    out, err = Attributed(sys.stdout, label), Attributed(sys.stderr, label)
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(max(40, shutil.get_terminal_size().columns - len(label)))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            yield
    finally:
        out.finish()
        err.finish()
        os.environ.pop("COLUMNS") if before is None else os.environ.update(COLUMNS=before)
