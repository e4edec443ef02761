"""Tables in a narrow terminal: no heading and no number breaks inside a word."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from vaebench.commands.terminal import BETWEEN, columns, drawn, fits, widths, wrapped

HEADINGS = [
    "test/nll (mean ± sd)",
    "trainer.batch_size",
    "objective.free_bits_per",
    "paired p",
    "PPL w/o end",
    "k",
]

HEAD = ["posterior", "objective.beta", "trainer.batch_size", "n", HEADINGS[0], "difference"]
HEAD += ["paired p"]


@pytest.mark.parametrize("heading", HEADINGS)
@pytest.mark.parametrize("width", range(5, 30))
def test_lines_of_a_heading_end_between_words_and_lose_nothing(heading, width):
    lines = wrapped(heading, width).split("\n")
    longest = max(map(len, BETWEEN.split(heading)))
    assert max(map(len, lines)) <= max(width, longest)
    assert "".join(lines).replace(" ", "") == heading.replace(" ", "")
    words = BETWEEN.split(heading)
    assert [word for line in lines for word in BETWEEN.split(line)] == words


def table(width: int) -> list[list[str]]:
    """The heading of each column of a table of some width, line by line."""
    body = [["full_gaussian", "1.0", "100", "3", "104.123 ± 0.123", "-10.000 ± 0.500", "0.012"]]
    found = columns(HEAD, body, 3)
    assert fits(found, width)
    console = Console(width=width, file=io.StringIO())
    console.print(drawn(found, "title", width))
    text = console.file.getvalue()
    lines = [line for line in text.splitlines() if line.startswith("┃")]
    assert max(map(len, text.splitlines())) <= width
    stacks = zip(*(re.split("┃", line)[1:-1] for line in lines), strict=True)
    return [[part.strip() for part in stack if part.strip()] for stack in stacks]


@pytest.mark.parametrize("width", [78, 80, 90])
def test_headings_are_whole_words_in_a_narrow_terminal(width):
    stacks = table(width)
    assert any(len(stack) > 1 for stack in stacks)
    for name, stack in zip(HEAD, stacks, strict=True):
        assert [word for line in stack for word in BETWEEN.split(line)] == BETWEEN.split(name)


def test_where_there_is_room_nothing_wraps():
    assert all(len(stack) == 1 for stack in table(140))


def test_a_number_breaks_before_its_error_alone():
    (found,) = columns(["x"], [["104.123 ± 0.123"], ["failed: RuntimeError: no luck"]], 0)
    assert found.within(10)[0] == "104.123\n± 0.123"
    assert found.least == len("RuntimeError:")
    assert widths([found], 20) == [16]
