"""The Penn Treebank as language models are measured on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from vaebench.data.base import FromFiles, Part
from vaebench.data.text.lines import read_lines
from vaebench.data.text.sentences import Groups, Sentences
from vaebench.data.text.tokens import Sentence
from vaebench.errors import DataError

FILES: dict[Part, str] = {"train": "ptb.train.txt", "val": "ptb.valid.txt", "test": "ptb.test.txt"}
ARCHIVE = "simple-examples/data"
FOLDERS = ("ptb", f"ptb/{ARCHIVE}", ARCHIVE, "PennTreebank", ".")


class PennTreebank(Sentences, FromFiles):
    """49,199 sentences of the Wall Street Journal (Marcus, Santorini, Marcinkiewicz 1993).

    In lower case, without punctuation marks, numbers as `N`, and all but the 9998 most frequent words
    as `<unk>`: as preprocessed and split by Mikolov, Deoras, Kombrink, Burget, Černocký (2011).
    With `<eos>` and `<unk>` that is the vocabulary of 10,000 that perplexities are reported for.

    Args:
        data_dir: folder that holds `ptb/ptb.train.txt`, `ptb.valid.txt` and `ptb.test.txt`, or the
            unpacked archive `simple-examples`.

    Attributes:
        sizes: sentences of each file as it was published.
    """

    wanted: ClassVar[str] = ", ".join(FILES.values())
    sizes: ClassVar[dict[Part, int]] = {"train": 42_068, "val": 3370, "test": 3761}

    def __init__(self, *, data_dir: str, **options: Any) -> None:
        super().__init__(**options)
        self.root = Path(data_dir).expanduser()

    def read(self) -> Groups:
        return {part: self._sentences(self.place / name, part) for part, name in FILES.items()}

    @property
    def place(self) -> Path:
        """The folder of the files: the first that holds one of them, or where they belong."""
        folders = [self.root / folder for folder in FOLDERS]
        held = (f for f in folders if any((f / name).is_file() for name in FILES.values()))
        return next(held, folders[0])

    @property
    def is_there(self) -> bool:
        return all((self.place / name).is_file() for name in FILES.values())

    def _sentences(self, path: Path, part: Part) -> list[Sentence]:
        if not path.is_file():
            raise DataError(
                f"{path} is missing: put {self.wanted} there (from {ARCHIVE} of the "
                "archive simple-examples, distributed with Mikolov's RNNLM toolkit and mirrored "
                "since), or say where they are with data_dir=. Use dataset=topics."
            )
        lines = read_lines(path)
        if len(lines) != self.sizes[part]:
            raise DataError(
                f"{path} holds {len(lines)} sentences, {self.sizes[part]} were expected; replace it"
            )
        return [self.symbols_of(line) for line in lines]

    def symbols_of(self, line: str) -> Sentence:
        """The files are in lower case already, and white space separates all of their words."""
        return line.split()
