"""Without a limit the estimator is STL, at a limit of zero nothing reaches the encoder."""

from pathlib import Path

import torch

import vaebench
from vaebench.distributions import Noise

CONF = f"--config-dir={Path(__file__).parent / 'conf'}"


def step(*words):
    """The loss, and the gradient of the encoder."""
    made = vaebench.compose([CONF, "model=iwae", *words])
    batch = made.data.split("test").first(20).batch(torch.arange(20))
    noise = Noise(torch.Generator().manual_seed(0))
    loss = made.objective(made.model, batch, torch.tensor(0), noise).loss
    loss.backward()
    gradient = torch.cat([p.grad.flatten() for p in made.model.posterior.parameters()])
    return loss.detach(), gradient


def test_without_a_limit_it_is_stl():
    for mine, stl in zip(
        step("estimator=template", "estimator.limit=1e9"), step("estimator=stl"), strict=True
    ):
        assert torch.allclose(mine, stl)


def test_a_limit_changes_the_gradient_and_not_the_bound():
    (value, gradient), (same, none) = (
        step("estimator=template", f"estimator.limit={limit}") for limit in (1e9, 0)
    )
    assert torch.allclose(value, same)
    assert gradient.norm() > 0
    assert none.norm() == 0
