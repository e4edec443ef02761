"""Which jobs of a grid may train together, by their configs."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from vaebench.config.alike import apart, key, plan


def job(seed=0, **options):
    """A config, as far as it is asked."""
    given = {
        "seed": seed,
        "name": f"run {seed}",
        "k": 1,
        "optimizer": {"_target_": "Adam", "lr": 1e-3},
        "objective": {"beta": 1, "kl": "auto", "seed": "${seed}"},
        "nets": {"hidden": [20], "activation": "tanh"},
        "trainer": {"compile": False, "devices": 1, "detect_anomaly": False, "max_epochs": 3},
        "init_from": "",
        "hydra": {"job": {"chdir": None}, "sweep": {"dir": "runs/grid"}},
    }
    config = OmegaConf.create(given)
    for name, value in options.items():
        OmegaConf.update(config, name.replace("__", "."), value)
    return config


def test_seeds_rates_and_weights_may_train_together():
    assert plan([job(1), job(2), job(3, optimizer__lr=0.1), job(4, objective__beta=0.5)]) == [
        [0, 1, 2, 3]
    ]


@pytest.mark.parametrize(
    "other",
    [
        {"k": 5},
        {"nets__hidden": [30]},
        {"nets__activation": "relu"},
        {"objective__kl": "mc"},
        {"optimizer___target_": "SGD"},
        {"trainer__max_epochs": 4},
    ],
)
def test_what_decides_on_shapes_or_on_the_course_of_a_run_divides(other):
    assert plan([job(1), job(2, **other), job(3)]) == [[0, 2], [1]]


@pytest.mark.parametrize(
    "option", [{"trainer__compile": True}, {"trainer__devices": 2}, {"hydra__job__chdir": True}]
)
def test_what_cannot_share_a_process_trains_alone(option):
    both = [job(1, **option), job(2, **option)]
    assert plan(both) == [[0], [1]]
    assert all(key(one) == "" for one in both)
    assert next(iter(option)).split("__")[-1] in apart(both[0])


def test_who_reads_what_others_leave_comes_after_them():
    assert plan([job(1), job(2, init_from="runs/grid/0"), job(3)]) == [[0, 2], [1]]
    assert plan([job(2, init_from="runs/grid/1"), job(1)]) == [[1], [0]]
