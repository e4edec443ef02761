"""The numbers of a few runs are those of the day they were written down.

They are written anew, with a reason, where a number is meant to change:

    python -m tests.matrix.frozen few tests/matrix/frozen.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.matrix.frozen import FEW, FEW_STEPS, differences, measured

WRITTEN = json.loads(Path(__file__).with_name("frozen.json").read_text(encoding="utf-8"))
ROUNDING = 1e-5
"""Of a number, or of 1 where it is less: ten times what SSE, AVX2 and AVX-512 differ by in these runs.
A KL of 1.001 times itself is off by 3e-5 of a loss, and by 7e-4 of its own."""


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """The command works in an empty folder, and leaves no words behind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["vaebench"])
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")


@pytest.mark.parametrize("composition", FEW)
def test_a_run_has_the_numbers_that_were_written_down(composition):
    assert differences(WRITTEN[composition], measured(composition, FEW_STEPS), ROUNDING) == []


def test_what_is_written_down_is_what_is_measured():
    assert [*WRITTEN] == [*FEW]


def test_a_number_that_is_another_or_missing_or_new_is_told():
    before = {"same": 1.0, "near": 30.0, "other": 30.0, "gone": 1.0}
    now = {"same": 1.0, "near": 30.0002, "other": 30.0004, "new": 1.0}
    assert [line.partition(":")[0] for line in differences(before, now, ROUNDING)] == [
        "gone",
        "new",
        "other",
    ]
