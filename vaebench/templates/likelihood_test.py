"""The likelihood's density is one, its mean is what it is asked for, and it trains."""

from pathlib import Path

import torch
from template import Template

import vaebench
from vaebench.data import Field

CHOSEN = [f"--config-dir={Path(__file__).parent / 'conf'}", "likelihood=template"]


def test_its_density_integrates_to_one():
    p = Template(Field((1,)), scale=0.5)(torch.tensor([0.3]))
    x = torch.linspace(-30, 30, 100_001)
    assert abs(torch.trapezoid(p.log_prob(x[:, None]).exp(), x).item() - 1) < 1e-3


def test_its_parameters_give_the_mean_that_was_asked_for():
    head, mean = Template(Field((3,)), scale=0.5), torch.tensor([0.1, 0.5, 0.9])
    assert torch.allclose(head(head.params_for_mean(mean)).mean, mean)


def test_it_goes_with_a_model():
    made = vaebench.compose([*CHOSEN, "dataset.binarize=none", "dataset.dequantize=true"])
    batch = made.data.split("train").first(20).batch(torch.arange(20))
    assert made.objective(made.model, batch, torch.tensor(0)).loss.isfinite()
