"""Result files: what is kept of runs, and how more of them are added."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml

from tests.runs.made_up import make_run
from vaebench.errors import Refusal
from vaebench.runs.find import find
from vaebench.runs.report import record
from vaebench.runs.report.record import Result, Row
from vaebench.runs.results import write_examples

WORDS = ["experiment=made", "seed=1", "logger=csv", "eval.measures=[terms]"]


@pytest.fixture
def folder(tmp_path):
    """A grid of two models, two seeds each, whose runs kept their examples."""
    return make_grid(tmp_path / "grid", seeds=(1, 2))


def make_grid(folder, seeds, rate=1e-3):
    noise = np.random.default_rng(seeds[0])
    for model in ("vae", "iwae"):
        for seed in seeds:
            run = folder / f"{model}-{seed}"
            each = noise.normal(80 if model == "iwae" else 90, 5, 50)
            nll = float(each.mean())
            make_run(run, model=model, k=1, rate=rate, seed=seed, nll=nll, noise=noise)
            (run / ".hydra").mkdir()
            words = [f"model={model}", r"objective.x={x\:1}", *WORDS]
            (run / ".hydra/overrides.yaml").write_text(yaml.safe_dump(words))
            write_examples(run, {"test/nll": each.tolist()})
    return folder


def of(folder, commit="") -> Result:
    (found,) = record.gathered(find([folder]).runs, commit)
    return found


def test_rows_are_told_by_their_words_and_have_a_run_for_each_seed(folder):
    found = of(folder, commit="abc1234")
    assert [row.words for row in found.rows] == [
        "model=iwae objective.x={x:1}",
        "model=vae objective.x={x:1}",
    ]
    assert [[run["seed"] for run in row.runs] for row in found.rows] == [[1, 2], [1, 2]]
    assert {run["commit"] for row in found.rows for run in row.runs} == {"abc1234, by hand"}
    assert of(folder).rows[0].runs[0]["commit"] == record.OLD


def test_mean_and_standard_error_are_over_seeds_and_of_one_seed_what_the_run_told():
    runs = [{"seed": s, "metrics": {"m": v, "m_se": 9.0}} for s, v in enumerate((1.0, 2.0, 6.0))]
    mean, error = Row("", "small", "", runs).mean("m")
    assert (mean, error) == pytest.approx((3.0, np.std([1, 2, 6], ddof=1) / np.sqrt(3)))
    assert Row("", "small", "", runs[:1]).mean("m") == (1.0, 9.0)


def test_rows_of_few_seeds_keep_their_paired_difference(folder):
    """The mean over examples of the mean over seeds, and its standard error."""
    (pair,) = [p for p in of(folder).pairs if p.metric == "test/nll"]
    runs = {run.folder.name: run for run in find([folder]).runs}
    each = (
        sum(
            runs[f"iwae-{s}"].examples["test/nll"] - runs[f"vae-{s}"].examples["test/nll"]
            for s in (1, 2)
        )
        / 2
    )
    assert pair.words[0].startswith("model=iwae")
    assert pair.difference == pytest.approx(each.mean(), rel=1e-3)
    assert pair.error == pytest.approx(each.std(ddof=1) / np.sqrt(50), rel=1e-3)
    assert pair.examples == 50


def test_more_seeds_are_added_and_the_same_again_changes_nothing(folder, tmp_path):
    first = of(folder)
    again, lines = record.merged(first, of(folder))
    assert (again, lines) == (record.merged(Result("", ""), first)[0], [])
    more, _ = record.merged(first, of(make_grid(tmp_path / "more", seeds=(3,))))
    assert [[run["seed"] for run in row.runs] for row in more.rows] == [[1, 2, 3], [1, 2, 3]]


def test_other_options_under_the_same_words_replace_what_was_there_and_it_is_said(folder, tmp_path):
    other = of(make_grid(tmp_path / "other", seeds=(3,), rate=1e-2))
    whole, lines = record.merged(of(folder), other)
    assert [[run["seed"] for run in row.runs] for row in whole.rows] == [[3], [3]]
    assert lines == [f"runs: {row.words} has other options than before" for row in other.rows]


def test_the_same_result_is_the_same_bytes_and_reads_back(folder, tmp_path):
    found = of(folder)
    for name in ("one", "two"):
        record.write_result(tmp_path / name, found)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert record.read_result(tmp_path / "one") == found


@pytest.mark.parametrize("text", ["{", "[]", '{"name": "x"}'])
def test_a_broken_file_is_refused_by_its_name(tmp_path, text):
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(Refusal, match=r"broken\.json"):
        record.read_result(path)


def test_a_study_is_a_row_for_each_line_of_its_table(tmp_path):
    about = {
        "study": "gaps",
        "command": "vaebench study gaps",
        "commit": "abc1234",
        "option.seed": 4,
    }
    (tmp_path / "study.json").write_text(json.dumps(about))
    (tmp_path / "table.csv").write_text(
        "flow,K,kl,kl_se\nplanar,2,0.51234,0.02\nplanar,10,0.25,0.01\n"
    )
    found = record.study(tmp_path)
    assert [row.words for row in found.rows] == ["K=2 flow=planar", "K=10 flow=planar"]
    assert found.rows[0].runs[0]["metrics"] == {"kl": 0.51234, "kl_se": 0.02}
    assert found.rows[0].values("kl") == {4: 0.51234}
    assert found.row("flow=planar K=10", "").mean("kl") == (0.25, 0.01)


def test_a_study_of_an_older_version_is_named_and_left_out(tmp_path):
    (tmp_path / "study.json").write_text('{"vaebench": "0.1.0"}')
    assert "does not name its study" in record.study(tmp_path)


def test_what_a_budget_decides_is_shown_as_it_is(folder):
    run = find([folder]).runs[0]
    told = [r"anneal.steps=$\{by_budget\:750\,100000\}", "model=vae"]
    (run.folder / ".hydra/overrides.yaml").write_text(yaml.safe_dump(told))
    words = {row.words for row in of(folder).rows}
    assert "model=vae anneal.steps=750" in words
