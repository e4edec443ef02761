"""The embedded default among texts: the English of Python's own documentation."""

from __future__ import annotations

import sys
from typing import Any

from vaebench.data.protocol import Split
from vaebench.data.text.prose import sentences
from vaebench.data.text.sentences import Groups, Sentences
from vaebench.errors import DataError

SHORTEST = 3
"""Words and marks of a sentence that says something."""

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


class Topics(Sentences):
    """Sentences of the documentation topics that `help()` prints (Python Software Foundation).

    Each is there once: the documentation repeats itself, and what is tested must not be trained on.
    They are not the same in every version of Python.

    Args:
        lower: whether letters become lower case.
    """

    def __init__(self, *, lower: bool, split: Split, **options: Any) -> None:
        super().__init__(**options)
        split.check("Topics", official=False)
        self.lower, self.held_out = lower, split

    def read(self) -> Groups:
        try:
            from pydoc_data.topics import topics
        except ImportError as error:
            raise DataError(
                "this Python comes without pydoc_data, the text of its documentation; install its "
                "whole standard library, or use dataset=text dataset.path=FILE"
            ) from error
        found = (s for name in sorted(topics) for s in sentences(topics[name]))
        read = (tuple(self.symbols_of(s)) for s in found)
        return {"all": [s for s in dict.fromkeys(read) if len(s) >= SHORTEST]}

    @property
    def notes(self) -> list[str]:
        return [
            f"sentences of the documentation of Python {VERSION}: another version has others, whose "
            "results do not compare",
            *super().notes,
        ]

    @property
    def protocol(self) -> dict[str, Any]:
        return super().protocol | {"lower": self.lower, "python": VERSION}
