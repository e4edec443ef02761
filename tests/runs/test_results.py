"""What is written into a run folder is what is read from it."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

import vaebench
from vaebench.errors import Refusal
from vaebench.runs import layout
from vaebench.runs.find import Run, find
from vaebench.runs.layout import holds_run, run_folder
from vaebench.runs.results import (
    add_evaluation,
    forget_failure,
    read_evaluation,
    read_examples,
    reason_of,
    write_examples,
    write_failure,
    write_latents,
)


def test_examples_are_read_as_they_were_written(tmp_path):
    written = {"test/nll": [101.25, 99.5, math.inf], "test/other": [1e-8, -2.0, 3.0]}
    write_examples(tmp_path, written)
    assert {name: list(values) for name, values in read_examples(tmp_path).items()} == written
    assert Run(tmp_path, {}).examples.keys() == written.keys()


def test_a_run_without_examples_leaves_none_of_an_earlier_one(tmp_path):
    write_examples(tmp_path, {"test/nll": [1.0]})
    write_examples(tmp_path, {})
    assert read_examples(tmp_path) == {}
    assert not [*tmp_path.iterdir()]


def test_a_measure_takes_the_place_of_its_own_earlier_numbers_alone(tmp_path):
    add_evaluation(tmp_path, {"rate/kl": 2.0, "rate/old": 1.0, "iwae/nll": 90.0})
    add_evaluation(tmp_path, {"rate/kl": 3.0})
    assert read_evaluation(tmp_path) == {"rate/kl": 3.0, "iwae/nll": 90.0}
    assert Run(tmp_path, {}).evaluation == {"evaluation/rate/kl": 3.0, "evaluation/iwae/nll": 90.0}


def test_latents_are_read_as_they_were_written(tmp_path):
    codes = np.arange(6.0).reshape(3, 2)
    with np.load(write_latents(tmp_path, {"z": codes})) as table:
        np.testing.assert_array_equal(table["z"], codes)


@pytest.mark.parametrize("write", [add_evaluation, write_latents])
def test_what_cannot_be_written_is_refused(tmp_path, write):
    with pytest.raises(Refusal, match="cannot be written"):
        write(tmp_path / "nowhere", {"rate/kl": 2.0})


def test_a_metric_is_of_as_many_examples_as_its_measure_says(tmp_path):
    summary = {"test/nll": 1.0, "test/gap/log_p": -1.0, "test/gap/examples": 50}
    run = Run(tmp_path, summary | {"config.eval.examples": 200})
    assert run.measured("test/nll") == 200
    assert run.measured("test/gap/log_p") == 50
    assert run.measured("evaluation/gap/log_p") is None


def test_a_failure_is_told_by_its_first_line_until_the_run_begins_again(tmp_path):
    folder = tmp_path / "run"
    assert reason_of(folder) == "did not finish"
    write_failure(folder, "the run failed: no luck", "Traceback\n  …\n")
    assert reason_of(folder) == "the run failed: no luck"
    assert find([tmp_path]).skipped == [f"{folder}: the run failed: no luck"]
    forget_failure(folder)
    assert reason_of(folder) == "did not finish"


@pytest.mark.parametrize("name", [layout.SUMMARY, layout.HISTORY, layout.LAST])
def test_a_folder_holds_a_run_from_its_first_word_to_its_last(tmp_path, name):
    assert not holds_run(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    assert holds_run(tmp_path)


def test_a_folder_that_no_run_was_composed_in_is_no_run_folder(tmp_path):
    with pytest.raises(Refusal, match=re.escape("no .hydra/config.yaml")):
        run_folder(str(tmp_path))


def test_every_name_of_the_run_folder_stands_once_in_the_program():
    names = [v for n, v in vars(layout).items() if n.isupper() and isinstance(v, str)]
    quoted = re.compile("|".join(f'"{re.escape(name)}"' for name in names if "." in name))
    sources = [p for p in Path(vaebench.__file__).parent.rglob("*.py") if p.name != "layout.py"]
    assert not [p for p in sources if quoted.search(p.read_text(encoding="utf-8"))]
