"""A model with a solution needs no step of training."""

from __future__ import annotations

import pytest
import torch
from rich.console import Console
from torch import nn
from torch.testing import assert_close

from tests.training.test_system import config
from vaebench.errors import Refusal
from vaebench.models import RecognitionFirst
from vaebench.training import fit, prepare
from vaebench.training.checkpoints import checkpoint_of

REAL = ("model=unconditional", "dataset=ppca", "logger=csv", "trainer.batch_size=20")


class Mean(RecognitionFirst):
    """p(x) = N(μ, I), with μ found by looking at the training split once."""

    solves = True

    def __init__(self, spec, *, likelihood, observed="x"):
        super().__init__()
        self.observed, self.likelihood = observed, likelihood(spec[observed])
        self.params = nn.Parameter(torch.zeros(spec[observed].shape))

    def fit(self, split):
        whole = split.batch(torch.arange(len(split), device=split.device))
        self.params.copy_(whole[self.observed].mean(0))
        return []

    def recognise(self, q, batch):
        """There is nothing to infer."""

    def generate(self, p, batch):
        p(self.observed, self.likelihood(self.params))


def run(folder, *words):
    cfg = config(*REAL, *words)
    composition, system, trainer = prepare(cfg, folder, Console(quiet=True))
    result = fit(cfg, system, trainer)
    x = composition.data.split("train")
    return x.batch(torch.arange(len(x)))["x"], result


OWN = "model._target_=tests.training.test_solutions.Mean"


def test_a_model_is_fitted_before_the_first_step_and_without_any_tested(tmp_path):
    x, result = run(tmp_path, OWN, "trainer.max_epochs=0")
    assert_close(result.system.model.params.detach(), x.mean(0))
    assert result.system.global_step == 0
    assert {"val/bound", "test/bound", "test/nll"} <= {*result.metrics}
    for name in ("best", "last"):
        held = checkpoint_of(tmp_path, name)[1]["state_dict"]["model.params"]
        assert_close(held, x.mean(0))


def test_training_goes_on_from_the_solution(tmp_path):
    x, result = run(tmp_path, OWN, "trainer.max_steps=2", "optimizer.lr=0.001")
    moved = (result.system.model.params.detach() - x.mean(0)).abs().max()
    assert 0 < moved <= 0.0021


def test_the_data_s_mean_is_the_likelihood_s_own_solution(tmp_path):
    """Of Gaussians of fixed variance: no gradient is left."""
    x, result = run(tmp_path, "trainer.max_epochs=0")
    model = result.system.model
    loss = -model.likelihood(model.params).log_prob(x).mean()
    (gradient,) = torch.autograd.grad(loss, [model.params])
    assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "words", [("model=vae", "prior=normal"), ("likelihood=gaussian_amortised",)], ids=str
)
def test_whatever_is_found_by_training_alone_is_trained(words, tmp_path):
    cfg = config(*REAL, *words, "trainer.max_epochs=0")
    with pytest.raises(Refusal, match=r"must be at least 1, since this model .* training alone"):
        prepare(cfg, tmp_path, Console(quiet=True))
