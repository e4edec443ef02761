"""The user's own sentences, one a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vaebench.data.protocol import FEWEST, Split
from vaebench.data.text.sentences import Groups, Sentences, Unit
from vaebench.errors import DataError


class Text(Sentences):
    """A file of one sentence a line, UTF-8; empty lines are skipped.

    Args:
        path: the file.
        unit: what a sentence is made of: `word`s, which white space separates and punctuation at
            either end of one (`data.text.words`), or `character`s, where white space is one space.
        lower: whether letters become lower case.
    """

    def __init__(self, *, path: str, unit: Unit, lower: bool, split: Split, **options: Any) -> None:
        super().__init__(**options)
        split.check("Text", official=False)
        self.held_out = split
        self.path, self.unit, self.lower = Path(path).expanduser(), unit, lower

    def read(self) -> Groups:
        if self.path.is_dir() or not self.path.exists():
            found = "a folder" if self.path.is_dir() else "no such file"
            raise DataError(
                f"dataset.path={self.path}: {found}; name a UTF-8 text file of one sentence a line"
            )
        lines = read_lines(self.path)
        if len(lines) < FEWEST:
            raise DataError(
                f"{self.path} holds {len(lines)} of the {FEWEST} sentences that are the least to "
                "divide; each is to stand on a line of its own. Use dataset=topics."
            )
        return {"all": [self.symbols_of(line) for line in lines]}

    @property
    def protocol(self) -> dict[str, Any]:
        return super().protocol | {"lower": self.lower}


def read_lines(path: Path) -> list[str]:
    """Lines of a UTF-8 file that are not blank.

    Raises:
        DataError: the file cannot be read, is not UTF-8, or has no such line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        byte = f"byte {error.object[error.start]:#04x} at {error.start}"
        raise DataError(f"{path} is not UTF-8 text ({byte}); save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    # Not `splitlines`, which cuts at separators that stand inside of sentences too.
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines:
        raise DataError(f"{path} holds no sentence; write one a line")
    return lines
