"""What to use instead is found by trying: it works, the nearest stands first, and nobody wrote it."""

from __future__ import annotations

import textwrap

import pytest

from tests.matrix.cells import Cell
from tests.matrix.run import composed
from vaebench.composition import compose
from vaebench.composition.build import assemble
from vaebench.composition.remedies import TRIALS, remedies
from vaebench.errors import Incompatible
from vaebench.paths import conf_dir
from vaebench.suggest import suggestions

SMALL = ("nets.hidden=[8]", "model.latent_dim=3")
USERS = """
    # Planar flows under another name, which score any z
    _target_: vaebench.heads.flows.RadialFlow
    _partial_: true
    K: 3
    """


def said(*words, folders=()):
    """What a command line is refused with."""
    with composed(Cell((), words), [*folders, conf_dir()]) as cfg:
        with pytest.raises(Incompatible) as error:
            compose(cfg)
        return str(error.value)


def works(*words, folders=()):
    """Whether it composes."""
    with composed(Cell((), words), [*folders, conf_dir()]) as cfg:
        compose(cfg)


def test_what_is_suggested_stands_nearest_first_and_works():
    words = (*SMALL, "posterior=planar", "model=iwae", "estimator=dreg")
    found = suggestions(said(*words))
    assert found == ["estimator=auto", "posterior=radial"]
    for word in found:
        works(*(w for w in words if w.split("=")[0] != word.split("=")[0]), word)


def test_a_posterior_from_a_users_folder_is_suggested_by_existing(tmp_path):
    """It reads the same option as the one that was refused, and comes first by its name."""
    (tmp_path / "posterior").mkdir()
    (tmp_path / "posterior" / "mine.yaml").write_text(textwrap.dedent(USERS).lstrip())
    words = (*SMALL, "posterior=planar", "model=iwae", "estimator=dreg")
    assert suggestions(said(*words, folders=[tmp_path])) == ["estimator=auto", "posterior=mine"]


def test_several_faults_are_mended_by_one_suggestion():
    line = said("nets=recurrent", "prior=bernoulli", "model.latent_dim=3")
    (found,) = suggestions(line)
    assert found == "nets=mlp prior=normal"
    works("model.latent_dim=3", *found.split())


def test_an_option_is_taken_back_before_its_part_is_given_up():
    assert suggestions(said(*SMALL, "objective.beta=inf")) == ["objective.beta=1.0"]


def test_a_choice_takes_its_options_with_it():
    words = (*SMALL, "posterior=planar", "posterior.K=2", "prior=vamp", "prior.components=2")
    found = suggestions(said(*words))
    assert found == ["prior=mixture", "posterior=radial"]
    assert "posterior=gaussian" in said(*SMALL, "posterior=delta", "k=1")


def test_data_are_read_once_whatever_is_tried(monkeypatch):
    read = []
    from vaebench.data import Digits

    monkeypatch.setattr(Digits, "read", lambda self, own=Digits.read: read.append(1) or own(self))
    said("nets=recurrent", "nets.hidden=8", "prior=bernoulli")
    assert len(read) == 1


@pytest.mark.matrix
def test_no_more_is_tried_than_people_wait_for(monkeypatch):
    tried = []

    def refuse(cfg):
        tried.append(cfg)
        raise Incompatible(f"no. {len(tried)}", "posterior", "prior", "nets", "objective", "model")

    with composed(Cell((), SMALL), [conf_dir()]) as cfg:
        found = remedies(Incompatible("no", "posterior", "prior"), cfg, refuse)
    assert found == []
    assert len(tried) <= TRIALS


def test_outside_of_the_command_nobody_knows_what_else_there_is():
    with composed(Cell((), (*SMALL, "posterior=delta", "name=none")), [conf_dir()]) as cfg:
        pass
    with pytest.raises(Incompatible, match=r"^this posterior has no density, .* log p\(x\)\.$"):
        compose(cfg)


def test_an_error_in_what_is_tried_is_no_remedy():
    def fail(cfg):
        raise RuntimeError("of somebody else's")

    with composed(Cell((), SMALL), [conf_dir()]) as cfg:
        assert remedies(Incompatible("no", "refine"), cfg, fail) == []


def test_assembling_tells_parts_and_nothing_that_was_chosen():
    cell = Cell((), (*SMALL, "posterior=delta"))
    match = "this posterior has no density"
    with composed(cell, [conf_dir()]) as cfg, pytest.raises(Incompatible, match=match) as error:
        assemble(cfg, {})
    assert error.value.parts == ("objective", "posterior")
