"""Characters that a terminal lacks, and readers that leave."""

from __future__ import annotations

import io
import os
import sys

import pytest

from vaebench.cli import HELP
from vaebench.streams import STANDS_IN, patient

TABLE = "┏━┳━┓┃a│├──└─┡╇┩┼┤┴┘┐┌"


def shown(text: str, encoding: str, monkeypatch) -> str:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding, errors="strict"))
    with patient():
        sys.stdout.write(text)
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("text", [HELP, TABLE, "Mníh", "a\udcffb", "漢字", *STANDS_IN])
def test_whatever_is_written_reaches_a_terminal_of_ascii(text, monkeypatch):
    assert shown(text, "ascii", monkeypatch).isascii()


def test_an_encoding_keeps_what_it_has(monkeypatch):
    assert shown("a · b ± c é", "latin-1", monkeypatch) == "a · b ± c é"
    assert shown(TABLE, "utf-8", monkeypatch) == TABLE


def test_tables_and_names_stay_readable(monkeypatch):
    assert shown("┃ 1 ± 2 ┃ └── Mníh", "ascii", monkeypatch) == "| 1 +/- 2 | +-- Mnih"


def test_a_reader_who_leaves_is_told_of_once_and_missed_by_nobody(monkeypatch):
    read, write = os.pipe()
    told = []
    monkeypatch.setattr(sys, "stdout", os.fdopen(write, "w"))
    with patient(lambda: told.append(1)):
        print("heard", flush=True)
        os.close(read)
        for _ in range(3):
            print("unheard", flush=True)
        sys.stdout.writelines(["unheard\n"] * 10_000)
    assert told == [1]
    sys.stdout.close()


def test_nobody_is_told_of_a_reader_who_has_all_that_was_asked_for(monkeypatch):
    read, write = os.pipe()
    monkeypatch.setattr(sys, "stdout", os.fdopen(write, "w"))
    os.close(read)
    with patient(lambda: pytest.fail("told")):
        print("unheard")  # in the buffer until the end
    sys.stdout.close()
