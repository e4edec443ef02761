"""The posterior's density is one, its draws follow it, and it trains."""

from pathlib import Path

import torch
from template import Template

import vaebench
from vaebench.data import Field
from vaebench.distributions import Noise

CHOSEN = [f"--config-dir={Path(__file__).parent / 'conf'}", "posterior=template"]


def test_its_density_integrates_to_one():
    q = Template(Field((1,)))(torch.tensor([0.3, -0.5]))
    z = torch.linspace(-40, 40, 100_001)
    assert torch.trapezoid(q.log_prob(z[:, None]).exp(), z).item() - 1 < 1e-3


def test_the_mean_of_its_draws_is_its_mean():
    q = Template(Field((2,)))(torch.tensor([0.3, -2.0, 0.1, 0.2]))
    z = q.rsample((10_000,), Noise(torch.Generator().manual_seed(0)))
    error = z.std(0) / 100
    assert ((z.mean(0) - q.mean).abs() < 5 * error).all()


def test_it_goes_with_a_model_and_its_parameters_are_learnt():
    made = vaebench.compose([*CHOSEN, "model=iwae"])
    batch = made.data.split("train").first(20).batch(torch.arange(20))
    made.objective(made.model, batch, torch.tensor(0)).loss.backward()
    assert all(p.grad.abs().sum() > 0 for p in made.model.posterior.parameters())
