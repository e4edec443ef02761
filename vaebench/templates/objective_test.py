"""Without its extra the objective is the ELBO, and the reported bound is honest with it."""

from pathlib import Path

import torch

import vaebench
from vaebench.distributions import Noise

CONF = f"--config-dir={Path(__file__).parent / 'conf'}"


def estimate(*words):
    made = vaebench.compose([CONF, *words])
    batch = made.data.split("test").first(20).batch(torch.arange(20))
    noise = Noise(torch.Generator().manual_seed(0))
    return made.objective(made.model, batch, torch.tensor(0), noise)


def test_with_nothing_extra_it_is_the_elbo():
    mine = estimate("objective=template", "objective.extra=0")
    elbo = estimate("objective=elbo", "objective.kl=mc")
    assert torch.allclose(mine.loss, elbo.loss)


def test_its_loss_pays_for_entropy_and_its_bound_does_not():
    plain, paid = (estimate("objective=template", f"objective.extra={e}") for e in (0, 1))
    log_q = paid.evidence.log_q.mean()
    assert torch.allclose(paid.loss, plain.loss + log_q, rtol=1e-4)
    assert torch.allclose(paid.terms["bound"], plain.terms["bound"])
