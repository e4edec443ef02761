"""What the page knows, without a browser."""

from __future__ import annotations

import base64
import gzip
import json

import numpy as np
import pytest

from tests.runs.made_up import make_run, make_runs
from vaebench.runs.find import find
from vaebench.runs.groups import groups
from vaebench.runs.page import build
from vaebench.runs.page.build import as_json
from vaebench.runs.page.data import gather, thinned
from vaebench.runs.page.numbers import Numbers, rounded
from vaebench.runs.page.pictures import pictures
from vaebench.runs.tables import paired_error

NOISE = np.random.default_rng(0)
KIND = {"model": "vae", "k": 1, "rate": 1e-3, "noise": NOISE}


def unpacked(text):
    planes = np.frombuffer(gzip.decompress(base64.b64decode(text)), np.uint8)
    return np.ascontiguousarray(planes.reshape(4, -1).T).view("<f4").ravel()


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    make_runs(folder, 24, rows=20, full=True, examples=30)
    return find([folder])


@pytest.fixture(scope="module")
def data(found):
    return gather(found.runs, found.skipped, "made up")


def test_numbers_keep_five_digits_and_steps_all(tmp_path):
    values = NOISE.normal(0, 1e3, 1000)
    assert np.abs(rounded(values) / values - 1).max() < 1e-5
    assert np.isnan(rounded(np.array([np.nan]))).all()
    numbers = Numbers()
    steps = np.arange(1, 100_000, 97.0)
    at = numbers.add(steps, exact=True), numbers.add(values), numbers.add(steps, exact=True)
    assert at == (0, len(steps), 0)
    whole = unpacked(numbers.packed())
    assert whole[: len(steps)].tolist() == steps.tolist()
    assert whole[len(steps) :] == pytest.approx(values, rel=1e-5)


def test_thinning_keeps_the_ends():
    assert thinned(5, 100).tolist() == [0, 1, 2, 3, 4]
    few = thinned(1000, 10)
    assert (few[0], few[-1], len(few)) == (0, 999, 10)


def test_groups_stand_best_first_and_the_baseline_is_the_first_found(data, found):
    (one,) = data.told["sections"]
    means = [
        np.mean([r["metrics"][0] for r in data.told["runs"] if r["group"] == g]) for g in range(12)
    ]
    assert one["metrics"][0]["name"] == one["metric"] == "test/nll"
    assert means == sorted(means)
    first = next(r for r in data.told["runs"] if r["folder"] == "0")
    assert one["baseline"] == first["group"]
    assert one["keys"] == ["model", "k", "optimizer.lr"]
    assert one["groups"][first["group"]]["options"]["k"] == 1


def test_errors_over_test_examples_are_the_terminals(data, found):
    (one,) = data.told["sections"]
    members = {tuple(g.options[k] for k in one["keys"]): g for g in groups(found.runs)}
    at = [members[tuple(g["options"][k] for k in one["keys"])] for g in one["groups"]]
    errors = one["errors"]["test/nll"]
    assert [len(row) for row in errors] == [*range(12)]
    assert errors[7][2] == pytest.approx(paired_error(at[7], at[2], "test/nll"), rel=1e-3)


def test_a_run_has_its_curves_clock_and_examples(data, found):
    whole = unpacked(data.numbers)
    row = next(r for r in data.told["runs"] if r["folder"] == "5")
    run = next(r for r in found.runs if r.folder.name == "5")
    at, n = row["values"]["test/nll"]
    assert whole[at : at + n] == pytest.approx(run.examples["test/nll"], rel=1e-5)
    names = [data.told["curves"][i] for i in row["curves"][::4]]
    assert {"val/bound", "train/kl", "val/active_units"} <= set(names)
    step, seconds, _, n = row["clock"]
    assert whole[step : step + n].tolist() == list(range(100, 2100, 100))
    assert whole[seconds : seconds + n] == pytest.approx(np.arange(100, 2100, 100) / 50, rel=1e-4)
    assert row["examples"] == 30


def test_each_subject_is_a_section_and_says_what_tells_it_apart(tmp_path):
    for i, (dataset, binarize) in enumerate(
        (("mnist", "dynamic"), ("mnist", "static"), ("digits", "dynamic"))
    ):
        make_run(tmp_path / str(i), **KIND, seed=0, nll=90.0)
        path = tmp_path / str(i) / "summary.json"
        summary = json.loads(path.read_text())
        summary |= {"choices.dataset": dataset, "protocol.binarize": binarize}
        path.write_text(json.dumps(summary))
    told = gather(find([tmp_path]).runs, [], "").told
    named = [(s["dataset"], s["protocol"]) for s in told["sections"]]
    assert named == [
        ("mnist", "binarize=dynamic"),
        ("mnist", "binarize=static"),
        ("digits", ""),
    ]
    assert [r["section"] for r in told["runs"]] == [0, 1, 2]


def test_where_a_run_collapsed_is_told_of_it(tmp_path):
    make_run(tmp_path / "0", **KIND, seed=0, nll=90.0, rows=20, full=True, asleep=12)
    (row,) = gather(find([tmp_path]).runs, [], "").told["runs"]
    assert row["warnings"][0]["step"] == 1300


def test_pictures_have_so_much_room_and_the_best_come_first(tmp_path):
    for i in range(3):
        make_run(tmp_path / str(i), **KIND, seed=i, nll=90.0 + i, rows=2)
    runs = find([tmp_path]).runs
    drawn, left_out = pictures(runs)
    assert (len(drawn), left_out) == (3, 0)
    size = sum(len(url) for url in drawn[runs[0].folder].values())
    few, left_out = pictures(runs, room=size)
    assert [*few] == [runs[0].folder]
    assert left_out == 2


def test_the_page_is_one_file_in_which_nothing_ends_a_script(found):
    text = build(found.runs, ["x: </script><b>"], "<made> {{data}}")
    assert text.count("</script>") == text.count("<script")
    assert "&lt;made&gt; {{data}}" in text
    assert "connect-src 'none'" in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")
    assert "<" not in as_json({"a": "</script>"})
