"""Which numbers two compositions differ in."""

from __future__ import annotations

import pytest
import torch
from hydra import compose as hydra_compose
from hydra import initialize_config_dir

from vaebench.cli import conf_dir
from vaebench.composition import compose
from vaebench.config.schema import register
from vaebench.objectives.pure import Step
from vaebench.training.fused.numbers import differing


def steps(*lines):
    """Of compositions, by their words."""
    register()
    made = []
    with initialize_config_dir(str(conf_dir()), version_base=None):
        for line in lines:
            made.append(compose(hydra_compose("config", [*line.split(), "name=numbers"])))
    return [Step(one.model, one.objective) for one in made]


def test_seeds_differ_in_none():
    assert differing(steps("seed=1", "seed=2")) == []


@pytest.mark.parametrize(("first", "second"), [("1", "4"), ("0.5", "4")])
def test_beta_is_found(first, second):
    (number,) = differing(steps(f"objective.beta={first}", f"objective.beta={second}"))
    assert number.place[1] == "beta"
    found = number.at(torch.tensor([3, 9]))
    torch.testing.assert_close(found, torch.tensor([float(first), float(second)]))


def test_an_annealing_is_its_share_at_each_jobs_own_step():
    line = "anneal=linear anneal.steps="
    (number,) = differing(steps(f"{line}10", f"{line}40"))
    found = number.at(torch.tensor([5, 10]))
    torch.testing.assert_close(found, torch.tensor([0.5, 0.25]))
