"""What the commands that look at runs say of wrong options, and what to use instead."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from vaebench.commands.compare import show
from vaebench.commands.evaluate import Options
from vaebench.commands.options import read
from vaebench.errors import Refusal
from vaebench.runs.find import Found, Run
from vaebench.suggest import suggestions

VALUES = {
    "measures=likelihood": "measures=likelihood: a list was expected. Use measures=[likelihood].",
    "k=1e3": "k=1000.0: an integer was expected. Use k=1000.",
    "k=abc": "k=abc: an integer was expected. Use k=5000.",
    "k=": "k=null: an integer was expected. Use k=5000.",
    "gap.lr=fast": "gap.lr=fast: a number was expected. Use gap.lr=",
    "split=tst": "split=tst: one of test, val, train was expected. Did you mean split=test?",
    "latents=maybe": "latents=maybe: true or false was expected. Use latents=false.",
    "measures=[likelihood": "quote what a shell or YAML would take apart. Use measures=[].",
    "seed=-1": "seed=-1: must be at least 0. Use seed=0.",
    "=3": "'=3' sets nothing",
    "foo=3": "vaebench evaluate has no option 'foo'; it has split, seed,",
    "likelihood.kk=3": "Did you mean likelihood.k=3?",
    "k=5 k=6": "k is given twice, as 5 and as 6. Use k=6 or k=5.",
}


@pytest.mark.parametrize("line", VALUES)
def test_a_wrong_option_is_refused_in_our_words(line):
    with pytest.raises(Refusal) as refused:
        read("evaluate", line.split(), Options)
    said = str(refused.value)
    assert VALUES[line] in said
    assert "Node" not in said
    assert "Config" not in said
    for suggestion in suggestions(said):
        read("evaluate", suggestion.split(), Options)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Two finished runs, one of them evaluated."""
    monkeypatch.chdir(tmp_path)
    made = []
    for seed, name in enumerate(("one", "two")):
        (tmp_path / name).mkdir()
        summary = {"quantity": "log p(x)", "choices.dataset": "digits", "seed": seed}
        summary |= {"test/nll": 1.0, "test/bound": -1.0, "val/bound": -1.0, "seconds": 1.0}
        made.append(Run(tmp_path / name, summary))
    (tmp_path / "two" / "evaluation.json").write_text(json.dumps({"rate/kl": 2.0}))
    return made


METRICS = {
    "nll": ["metric=test/nll"],
    "bound": ["metric=test/bound", "metric=val/bound"],
    "test/nl": ["metric=test/nll"],
    "rate/kl": ["metric=evaluation/rate/kl"],
    "evaluation/likelihood/nll": ["vaebench evaluate one measures=[likelihood]"],
    "ais/nll": ["vaebench evaluate one measures=[ais]"],
    "zzz": [],
}


@pytest.mark.parametrize("metric", METRICS)
def test_an_unknown_metric_is_answered_with_what_there_is_or_how_to_get_it(runs, metric):
    with pytest.raises(Refusal, match=f"no run has '{metric}'") as refused:
        show(Found(runs, []), Console(), metric)
    said = str(refused.value)
    assert suggestions(said) == METRICS[metric]
    assert METRICS[metric] or "there are test/nll, test/bound, evaluation/rate/kl, val/" in said


@pytest.mark.parametrize(("baseline", "meant"), [("nonsense", "one"), ("tow", "two")])
def test_a_baseline_that_is_no_run_is_answered_with_one_that_is(runs, baseline, meant):
    with pytest.raises(Refusal, match="none of the runs compared here") as refused:
        show(Found(runs, []), Console(), "", baseline)
    assert suggestions(str(refused.value)) == [f"baseline={meant}"]
