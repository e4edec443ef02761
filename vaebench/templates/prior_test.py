"""The prior's density is one, and it trains."""

from pathlib import Path

import torch
from template import Template

import vaebench
from vaebench.data import Field

CHOSEN = [f"--config-dir={Path(__file__).parent / 'conf'}", "prior=template"]


def test_its_density_integrates_to_one():
    p = Template(Field((1,)), df=5.0)()
    z = torch.linspace(-200, 200, 200_001)
    assert abs(torch.trapezoid(p.log_prob(z[:, None]).exp(), z).item() - 1) < 1e-3


def test_it_goes_with_a_model():
    made = vaebench.compose([*CHOSEN, "posterior=iaf"])
    batch = made.data.split("train").first(20).batch(torch.arange(20))
    assert made.objective(made.model, batch, torch.tensor(0)).loss.isfinite()
