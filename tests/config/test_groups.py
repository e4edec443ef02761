"""The table of groups is the folders of conf/, no more and no fewer."""

from __future__ import annotations

from dataclasses import fields

import pytest
from omegaconf import OmegaConf

from vaebench.config.choices import choices
from vaebench.config.groups import COMPOSED, GROUPS, OWNERS, PLAINEST, leading, told
from vaebench.config.schema import Config
from vaebench.paths import conf_dir

NAMES = [group.name for group in GROUPS]
CHOICES = choices([conf_dir()])
DEFAULTS = {
    group: choice
    for entry in OmegaConf.load(conf_dir() / "config.yaml").defaults
    if isinstance(entry, dict) or OmegaConf.is_dict(entry)
    for group, choice in entry.items()
    if not group.startswith("override ")
}


def test_every_folder_of_conf_is_a_group_once():
    assert sorted(NAMES) == sorted(CHOICES)


def test_every_group_has_a_default_and_a_place_in_the_schema():
    assert set(NAMES) == set(DEFAULTS)
    assert set(NAMES) - {"experiment"} <= {field.name for field in fields(Config)}


@pytest.mark.parametrize(("group", "choice"), PLAINEST.items())
def test_the_plainest_choice_exists(group, choice):
    assert choice in CHOICES[group]


@pytest.mark.parametrize("group", [g for g in GROUPS if g.owner and g.idle], ids=lambda g: g.name)
def test_what_may_be_idle_has_a_choice_that_asks_for_nothing(group):
    assert group.idle in CHOICES[group.name]
    assert group.owner in NAMES


@pytest.mark.parametrize("group", [g for g in GROUPS if g.untold], ids=lambda g: g.name)
def test_what_goes_without_saying_is_the_default(group):
    assert group.untold == DEFAULTS[group.name]


@pytest.mark.parametrize("name", [name for name, owner in OWNERS.items() if owner == "model"])
def test_a_part_of_the_model_is_composed(name):
    assert name in COMPOSED


def test_a_run_tells_its_choices_in_order_but_for_what_goes_without_saying():
    shown = [*told(DEFAULTS)]
    assert shown[:3] == ["model", "nets", "posterior"]
    assert not {"baseline", "logger", "trainer", "experiment"} & set(shown)
    assert told(DEFAULTS | {"baseline": "learned"})["baseline"] == "learned"


def test_what_is_told_at_once_leaves_out_what_asks_for_nothing():
    parts = ["model=vae", "posterior=gaussian", "prior=normal"]
    rest = ["likelihood=bernoulli", "objective=elbo", "dataset=digits"]
    assert leading(DEFAULTS | {"likelihood": "bernoulli"}) == parts + rest
    assert "refine=hamiltonian" in leading(DEFAULTS | {"refine": "hamiltonian"})
    assert "prior=none" not in leading(DEFAULTS | {"prior": "none"})
