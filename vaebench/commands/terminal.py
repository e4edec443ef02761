"""Tables of a terminal: wide ones wrap between words, and lose none of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.table import Table
from rich.text import Text

BETWEEN = re.compile(r"\s+|(?<=[._/])(?=\w)")
"""Where a heading may go on in the next line: spaces, and after the marks inside a name."""

NUMBERS = re.compile(r"\s+(?=±)")
"""Where a number may: before its ±, and nowhere else."""

FRAME = 3
"""What a column takes beside its text: a line and two spaces."""


@dataclass(frozen=True)
class Column:
    """A heading with what stands below it.

    Attributes:
        head: its heading.
        body: a cell for each row.
        number: whether these are numbers, to the right.
    """

    head: str
    body: Sequence[str]
    number: bool

    @property
    def natural(self) -> int:
        """The width at which nothing wraps."""
        return max(map(len, [self.head, *self.body]))

    @property
    def least(self) -> int:
        """The width below which a word or a number would break."""
        parts = [part for cell in self.body for part in self._parts(cell)]
        return max(map(len, [*BETWEEN.split(self.head), *parts]))

    def within(self, width: int) -> list[str]:
        """The cells, a number that is wider in two lines."""
        breaks = [len(c) > width and self._is_number(c) for c in self.body]
        return [
            "\n".join(self._parts(c)) if b else c for c, b in zip(self.body, breaks, strict=True)
        ]

    def _is_number(self, cell: str) -> bool:
        return self.number and cell[:1] in "+-0123456789"

    def _parts(self, cell: str) -> list[str]:
        return NUMBERS.split(cell) if self._is_number(cell) else cell.split()


def columns(head: Sequence[str], body: Sequence[Sequence[str]], options: int) -> list[Column]:
    """The columns of a table whose first `options` columns are no numbers."""
    return [Column(name, [line[i] for line in body], i >= options) for i, name in enumerate(head)]


def fits(found: Sequence[Column], width: int) -> bool:
    """Whether a table of these columns needs to break no word."""
    return sum(column.least + FRAME for column in found) + 1 <= width


def drawn(found: Sequence[Column], title: str, width: int) -> Table:
    """The table, within a width."""
    table = Table(title=title, title_style="bold")
    for column, room in zip(found, widths(found, width), strict=True):
        justify: Literal["left", "right"] = "right" if column.number else "left"
        table.add_column(wrapped(column.head, room), justify=justify, overflow="fold", width=room)
    bodies = [column.within(room) for column, room in zip(found, widths(found, width), strict=True)]
    for line in zip(*bodies, strict=True):
        table.add_row(*map(Text, line))  # whatever brackets it has
    return table


def widths(found: Sequence[Column], width: int) -> list[int]:
    """Of each column: what it would like, less what the widest can do without."""
    room = [column.natural for column in found]
    excess = sum(room) + FRAME * len(room) + 1 - width
    for _ in range(max(0, excess)):
        spare = [(w, i) for i, w in enumerate(room) if w > found[i].least]
        if not spare:
            break  # a narrower terminal than any table needs
        room[max(spare)[1]] -= 1
    return room


def wrapped(heading: str, width: int) -> str:
    """A heading in lines that end between words."""
    lines, start = [""], 0
    for end in [*(match.end() for match in BETWEEN.finditer(heading)), len(heading)]:
        part, start = heading[start:end], end
        if len((lines[-1] + part).rstrip()) <= width:
            lines[-1] += part
        else:
            lines.append(part)
    return "\n".join(line.strip() for line in lines if line.strip())
