"""What is said of jobs that train together."""

from __future__ import annotations

import pytest
from torch import nn

from vaebench.training.fused.fitness import kinks


@pytest.mark.parametrize("layer", [nn.ReLU(), nn.LeakyReLU(), nn.MaxPool2d(2)])
def test_layers_whose_slope_jumps_are_found_wherever_they_lie(layer):
    assert "kinks" in kinks(nn.Sequential(nn.Linear(2, 2), nn.Sequential(layer)))


def test_smooth_nets_have_none():
    assert not kinks(nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.ELU()))
