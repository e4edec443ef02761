"""metrics.csv: what is written is what is read, whatever comes late, again or not at all."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

from vaebench.runs.history import HistoryFile, read_arrays, read_rows


def written(path, *entries):
    """A history of pairs of step and metrics."""
    history = HistoryFile(path)
    for step, metrics in entries:
        history.add(metrics, step)
    return history


ENTRIES = (
    (10, {"train/loss": 1.5}),
    (10, {"val/loss": 1.25}),
    (20, {"train/loss": 1.0}),
    (30, {"train/loss": 0.5, "val/loss": -math.inf}),
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.csv"


def test_columns_are_read_as_they_were_written_and_a_gap_is_no_number(path):
    written(path, *ENTRIES)
    found = read_arrays(path)
    assert list(found) == ["step", "train/loss", "val/loss"]
    assert found["step"].tolist() == [10, 20, 30]
    assert found["train/loss"].tolist() == [1.5, 1.0, 0.5]
    np.testing.assert_array_equal(found["val/loss"], [1.25, math.nan, -math.inf])


def test_what_is_known_of_a_step_is_one_row_however_often_it_comes(path):
    written(path, (1, {"a": 1.0}), (1, {"b": 2.0}), (1, {"a": 3.0}))
    assert read_rows(path) == [{"step": "1", "a": "3.0", "b": "2.0"}]


@pytest.mark.parametrize("step", [0, 10, 15, 20, 30, 40])
def test_a_rewound_history_goes_on_as_if_the_rest_had_never_been(path, tmp_path, step):
    written(path, *ENTRIES)
    again = HistoryFile(path)
    again.rewind(step)
    kept = [entry for entry in ENTRIES if entry[0] <= step]
    rest = [entry for entry in ENTRIES if entry[0] > step]
    assert [int(row["step"]) for row in read_rows(path)] == sorted({s for s, _ in kept})
    for later, metrics in rest:
        again.add(metrics, later)
    whole = tmp_path / "whole.csv"
    written(whole, *ENTRIES)
    assert path.read_bytes() == whole.read_bytes()


def test_nothing_is_read_where_nothing_was_written(path):
    assert read_arrays(path) == {}
    HistoryFile(path).rewind(3)
    assert not path.exists()


def test_an_empty_file_is_a_history_that_has_not_begun(path):
    path.touch()
    assert read_arrays(path) == {}
    history = HistoryFile(path)
    history.rewind(0)
    history.add({"train/loss": 1.5}, 10)
    assert read_rows(path) == [{"step": "10", "train/loss": "1.5"}]


def test_a_row_that_a_killed_run_left_half_written_is_no_number_there(path):
    written(path, *ENTRIES[:3])
    with path.open("a") as file:
        file.write("30,-")
    found = read_arrays(path)
    assert found["step"].tolist() == [10, 20, 30]
    assert math.isnan(found["train/loss"][-1])
    assert math.isnan(found["val/loss"][-1])


def test_run_folders_are_read_without_torch():
    rooms = "find, grid, groups, history, layout, metrics, results, tables, write, page"
    program = f"import sys; from vaebench.runs import {rooms}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
