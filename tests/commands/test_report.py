"""`vaebench report`: result files, and the page that is made of them alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.runs.made_up import make_runs
from vaebench.commands.report import written
from vaebench.paths import conf_dir
from vaebench.runs.report.published import FILE, systems
from vaebench.studies import STUDIES

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs/results"


def test_the_page_of_results_is_what_the_committed_files_make_byte_for_byte(monkeypatch):
    monkeypatch.chdir(ROOT)
    page = written(Path("docs/results"))
    assert page.encode() == (ROOT / "docs/results.md").read_bytes()


def test_every_experiment_and_study_stands_on_the_page_and_nothing_else():
    experiments = {path.stem for path in (conf_dir() / "experiment").glob("*.yaml")} - {"none"}
    assert {system.name for system in systems(RESULTS)} == experiments | {*STUDIES}
    assert {path.stem for path in RESULTS.glob("*.json")} <= experiments | {*STUDIES}


def test_links_lead_to_the_headings():
    text = (ROOT / "docs/results.md").read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-")
        for h in re.findall("^## (.+)$", text, re.M)
    }
    links = set(re.findall(r"\]\(#([^)]+)\)", text))
    assert links
    assert links <= headings


def test_runs_are_gathered_once_and_the_page_says_what_they_measured(here, tmp_path):
    make_runs(tmp_path / "runs", 24)
    done = here("report", "runs", "into=kept", "commit=abc1234")
    assert (done.code, done.err) == (0, "")
    assert "kept/runs.json: 1 rows" in done.out
    before = {p: p.read_bytes() for p in (tmp_path / "kept/runs.json", tmp_path / "kept.md")}
    assert "abc1234" in before[tmp_path / "kept.md"].decode()
    assert here("report", "runs", "into=kept", "commit=abc1234").code == 0
    assert here("report", "into=kept").code == 0
    assert before == {path: path.read_bytes() for path in before}


def test_claims_of_ones_own_stand_beside(here, tmp_path):
    make_runs(tmp_path / "runs", 2)
    (tmp_path / "kept").mkdir()
    said = "runs:\n  title: Mine\n  metrics: [test/nll]\n  claims: [{name: above, metric: test/nll, order: [0, '']}]\n"
    (tmp_path / "kept" / FILE).write_text(said)
    assert here("report", "runs", "into=kept").code == 0
    page = (tmp_path / "kept.md").read_text()
    assert re.search(r"\| above \| \[runs\]\(#mine\) \| small \|.*\*\*held\*\* \|", page)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere"], "nowhere is no folder"),
        (["empty"], "no finished run or study in empty"),
        (["empty", "onto=x"], "has no option 'onto'. Did you mean into=x?"),
        (["into=empty"], "no results in empty. Use vaebench report runs."),
        (["into=broken"], "broken/a.json cannot be read"),
        (["into=misspelt"], "mine says 'claim'. Did you mean claims?"),
    ],
)
def test_what_cannot_be_reported_is_refused_in_a_line(here, tmp_path, words, told):
    for name in ("empty", "broken", "misspelt"):
        (tmp_path / name).mkdir()
    (tmp_path / "broken/a.json").write_text("{")
    (tmp_path / "misspelt" / FILE).write_text("mine: {title: Mine, claim: []}\n")
    done = here("report", *words)
    assert done.code == 2
    assert told in done.err
    assert done.err.count("\n") == 1
