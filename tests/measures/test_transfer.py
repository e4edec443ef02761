"""Transfer: of a generator that draws the truth, and of one that knows no more than it was shown."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from vaebench.data import Chairs, Split
from vaebench.distributions import Noise
from vaebench.measures.base import Inapplicable
from vaebench.measures.transfer import Transfer
from vaebench.models import Generator

DATA = Chairs(
    size=16,
    kinds=["chair"],
    grid=[8, 8, 2],
    transforms=1.0,
    few=2,
    sides=2,
    data_seed=0,
    split=Split("random", 0.1, 0.1),
)


class Oracle(Generator):
    """Its code of a class is (pair, has the part more); what it draws is rendered, or what it would be
    of the nearest known side, or of no part more."""

    def __init__(self, *, sides=True, parts=True):
        torch.nn.Module.__init__(self)
        self.refine, self.embedded = None, ("model",)
        self.sides, self.parts = sides, parts

    def recognise(self, q, batch):
        c = batch["model"]
        q("z", Point(torch.stack([c // 2, c % 2], -1).float()))

    def generate(self, p, batch):
        z = p("z", Point(torch.zeros(2))).reshape(-1, 2).round().long()
        view = batch["view"]
        azimuth = (torch.atan2(view[:, 0], view[:, 1]) / (2 * torch.pi) * 8).round().long() % 8
        elevation = (view[:, 2] > 0.4).long()
        more = z[:, 1] if self.parts else 0 * z[:, 1]
        if not self.sides:
            azimuth = DATA.nearest_known(azimuth[:, None])[:, 0]
        p("x", Point(DATA.render(torch.stack([2 * z[:, 0] + more, azimuth, elevation], 1))))


class Point:
    """All at one value."""

    def __init__(self, mean):
        self.mean, lead = mean, mean.ndim > 1
        self.event_shape = mean.shape[1:] if lead else mean.shape
        self.batch_shape = mean.shape[:1] if lead else torch.Size()
        self.is_discrete = False

    def rsample_and_log_prob(self, shape, noise):
        return self.mean.expand(*shape, *self.mean.shape), lambda: torch.zeros(self.batch_shape)

    def score_of(self, value, noise):
        return lambda: torch.zeros(self.batch_shape)


def measured(model, data=DATA):
    composition = SimpleNamespace(data=data)
    subject = SimpleNamespace(
        composition=composition, model=model, device=torch.device("cpu"), noise=Noise
    )
    return Transfer(examples=100).numbers(subject)


def test_the_truth_has_no_error_and_gains_all():
    found = measured(Oracle())
    assert found["withheld"] == found["arithmetic"] == 0
    assert found["withheld_gain"] == pytest.approx(found["nearest_side"])
    assert found["arithmetic_gain"] == pytest.approx(found["input"])
    assert found["nearest_side"] > 0.001 < found["withheld_gain"] / found["withheld_gain_se"]
    assert found["input"] > 1e-4


def test_who_knows_the_nearest_side_or_no_part_gains_nothing():
    found = measured(Oracle(sides=False, parts=False))
    assert found["withheld_gain"] <= 0
    assert found["arithmetic_gain"] == 0


def test_the_nearest_known_side_goes_round():
    sides = DATA.nearest_known(torch.tensor([[7], [1], [3], [5], [0]]))
    assert sides[:, 0].tolist() == [0, 0, 4, 4, 0]


def test_other_data_and_models_are_told_apart():
    with pytest.raises(Inapplicable, match="no view of the data can be withheld"):
        measured(Oracle(), SimpleNamespace())
    seeing = Oracle()
    seeing.embedded = ("x",)
    with pytest.raises(Inapplicable, match="embeds no class"):
        measured(seeing)
