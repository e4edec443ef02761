"""Words of a command line that say nothing, or two things."""

from __future__ import annotations

import pytest

from vaebench.config.words import check_words
from vaebench.errors import Refusal
from vaebench.suggest import suggestions

GROUPS = {"model": ["iwae", "vae"], "posterior": ["gaussian", "iaf"]}


def refusal(*args: str) -> str:
    """What is said of a command line of overrides."""
    with pytest.raises(Refusal) as refused:
        check_words([a for a in args if a not in ("check", "-m", "study")], GROUPS, args)
    return str(refused.value)


TWICE = {
    "model=vae model=iwae": "model=iwae, model=vae, vaebench -m model=vae,iwae",
    "check k=1 seed=2 k=5": "k=5, k=1, vaebench -m k=1,5 seed=2",
    "nets.hidden=[20] nets.hidden=[30]": (
        "nets.hidden=[30], nets.hidden=[20], vaebench -m nets.hidden=[20],[30]"
    ),
    "-m model=vae model=iwae": "model=iwae, model=vae, model=vae,iwae",
    "-m k=1,2 k=5": "k=5, k=1,2",
    "+foo=1 ++foo=2": "++foo=2, +foo=1, vaebench -m +foo=1,2",
    "study model=vae model=iwae": "model=iwae, model=vae",
}


@pytest.mark.parametrize("line", TWICE)
def test_an_option_given_twice_is_refused_with_either_and_both(line):
    said = refusal(*line.split())
    assert "is given twice" in said
    assert ", ".join(suggestions(said)) == TWICE[line]


@pytest.mark.parametrize(
    "line", ["k=5 k=5", "k=5 ++k=5", "model=vae ~model", "-m k=1,2 model=vae,iwae", "~a ~b", "x=1"]
)
def test_what_says_one_thing_passes(line):
    words = line.split()
    check_words([w for w in words if w != "-m"], GROUPS, words)


def test_several_choices_of_a_group_make_a_grid():
    assert suggestions(refusal("check", "posterior=[gaussian,iaf]")) == [
        "vaebench -m posterior=gaussian,iaf"
    ]
    check_words(["nets.hidden=[20,30]"], GROUPS, ["nets.hidden=[20,30]"])


@pytest.mark.parametrize("word", ["=3", "=", "+=3", "~=3"])
def test_an_override_of_nothing_is_refused(word):
    assert "sets nothing" in refusal(word)
