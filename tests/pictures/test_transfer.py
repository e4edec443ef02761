"""Sides and parts: what an oracle draws is the truth beside it."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch
from torch.testing import assert_close

from tests.measures.test_transfer import DATA, Oracle
from vaebench.data import Chairs
from vaebench.distributions import Noise
from vaebench.measures.base import Inapplicable
from vaebench.pictures import View
from vaebench.pictures.transfer import parts, sides

MODULE = sys.modules[sides.__module__]


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Draws, and returns the sheet's images by row and column, and its columns."""

    def draw(picture, model, data=DATA):
        sheets = []
        monkeypatch.setattr(MODULE, "save_sheet", lambda *a: sheets.append(a))
        composition = SimpleNamespace(data=data)
        on = {"device": torch.device("cpu"), "noise": Noise}
        picture(View(SimpleNamespace(composition=composition, model=model, **on), tmp_path, 4))
        _, images, rows, columns, _ = sheets[0]
        return images.unflatten(0, (len(rows), len(columns))), columns

    return draw


def test_sides_of_the_truth_are_the_rendered_ones_and_shown_sides_their_own_nearest(drawn):
    images, columns = drawn(sides, Oracle())
    assert len(images) == 3 * DATA.few
    made, truth, nearest = images[::3], images[1::3], images[2::3]
    assert_close(made, truth)
    assert columns == ["shown", "", "", "", "shown", "", "", ""]
    known = torch.tensor([bool(name) for name in columns])
    assert_close(nearest[:, known], truth[:, known])
    assert not torch.equal(nearest[:, ~known], truth[:, ~known])


def test_a_part_that_is_known_is_lent_and_one_that_is_not_is_missing(drawn):
    images, _ = drawn(parts, Oracle())
    assert_close(images[:, 3], images[:, 4])
    assert not torch.equal(images[:, 2], images[:, 4])
    without, _ = drawn(parts, Oracle(parts=False))
    assert_close(without[:, 2], without[:, 3])


def test_they_need_what_was_withheld_and_two_pairs(drawn):
    with pytest.raises(Inapplicable, match="no view of the data can be withheld"):
        drawn(sides, Oracle(), SimpleNamespace())
    options = {"size": 16, "kinds": ["chair"], "transforms": 0.0, "sides": 2, "data_seed": 0}
    one_pair = Chairs(grid=[2, 8, 2], few=0, split=DATA.held_out, **options)
    with pytest.raises(Inapplicable, match="no side is withheld"):
        drawn(sides, Oracle(), one_pair)
    with pytest.raises(Inapplicable, match="no two pairs of models"):
        drawn(parts, Oracle(), one_pair)
