"""What a history tells of a run that is not well."""

from __future__ import annotations

import numpy as np
import pytest

from vaebench.runs.health import PATIENCE, collapsed_from, undone, warnings


def history(*active, kl=0.01):
    steps = np.arange(1, len(active) + 1) * 10.0
    return {
        "step": steps,
        "val/active_units": np.array(active, float),
        "val/kl": np.full(len(active), kl),
    }


@pytest.mark.parametrize(
    ("active", "ended", "step"),
    [
        ((5, 3, 0, 0, 0), False, 30),
        ((5, 3, 0, 0), False, None),  # it may wake yet
        ((5, 3, 0, 0), True, 30),
        ((0, 0, 0, 2), True, None),  # it slept at first, as under annealing
        ((5, 0, 3, 0, 0, 0, 0), False, 40),
        ((0,) * PATIENCE, False, 10),
        ((5, 4, 3), True, None),
    ],
)
def test_a_collapse_begins_at_the_first_of_the_validations_that_it_lasts(active, ended, step):
    assert collapsed_from(history(*active), ended) == step


def test_rows_without_a_validation_are_none():
    found = history(5, 0, np.nan, 0, np.nan, 0)
    assert collapsed_from(found, ended=False) == 20


def test_latents_that_are_not_meant_to_tell_anything_do_not_collapse():
    assert collapsed_from(history(0, 0, 0, 0, kl=0.0)) is None
    assert collapsed_from({"step": np.arange(3.0)}) is None


def test_undone_steps_are_counted_and_told():
    assert undone({}) == 0
    found = history(5, 4, 3) | {"train/undone": np.array([np.nan, 2, 7])}
    assert undone(found) == 7
    assert [w["kind"] for w in warnings(found)] == ["undone"]
    assert warnings(history(1, 0))[0] == {
        "kind": "collapse",
        "step": 20,
        "text": "posterior collapse: no latent unit is active from step 20",
    }
