"""A model with a solution needs no step of training."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from rich.console import Console
from torch import nn
from torch.testing import assert_close

from tests.training.test_system import config
from vaebench.errors import Refusal
from vaebench.models import RecognitionFirst
from vaebench.runs.history import read_rows
from vaebench.runs.layout import HISTORY
from vaebench.training import build_loggers, fit, prepare
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


# ------------------------------------------------------------------------- EM and closed forms
MIXTURE = ("model=bernoulli_mixture", "model.components=5", "logger=csv", "model.tolerance=0.1")


def history(folder):
    rows = read_rows(folder / HISTORY)
    return [(int(row["step"]), float(row["train/bound"])) for row in rows if row["train/bound"]]


def fitted(folder, *words):
    cfg = config(*words)
    _, system, trainer = prepare(cfg, folder, Console(quiet=True))
    trainer.loggers = build_loggers(cfg, folder)
    return fit(cfg, system, trainer)


def test_em_s_likelihood_is_in_the_history_before_the_first_step_and_never_falls(tmp_path):
    result = fitted(tmp_path, *MIXTURE)
    steps, bounds = zip(*history(tmp_path), strict=True)
    assert result.system.global_step == 0
    assert steps == tuple(range(1 - len(steps), 1))
    assert len(steps) > 3
    assert all(a <= b + 1e-4 for a, b in pairwise(bounds))


def test_by_gradient_nothing_is_told_before_the_first_step(tmp_path):
    result = fitted(tmp_path, *MIXTURE, "model.fit=gradient", "trainer.max_steps=3")
    assert result.system.global_step == 3
    assert [step for step, _ in history(tmp_path)] == [3]


@pytest.mark.parametrize("model", ["factorized", "ppca", "gmm"])
def test_these_models_need_no_step(tmp_path, model):
    result = fitted(tmp_path, f"model={model}", "dataset=ppca", "logger=none")
    assert result.system.global_step == 0
    assert result.metrics["test/nll"] > 0


COMMON = ("dataset=ppca", "logger=none", "schedule=cosine", "eval.checkpoint=last")


def exact(folder):
    return fitted(folder / "exact", "model=ppca", *COMMON).metrics["test/nll"]


def test_ppca_by_gradient_reaches_the_closed_form_to_a_hundredth_of_a_nat(tmp_path):
    words = ("model=ppca", "model.fit=gradient", "trainer.max_epochs=30", "optimizer.lr=0.03")
    result = fitted(tmp_path / "gradient", *words, *COMMON)
    assert result.metrics["test/nll"] == pytest.approx(exact(tmp_path), abs=0.01)


@pytest.mark.slow
def test_a_linear_vae_reaches_the_closed_form_to_a_hundredth_of_a_nat(tmp_path):
    """It has no optimum but that of PPCA (Lucas, Tucker, Grosse, Norouzi 2019). Twenty seconds."""
    words = ("model=vae", "nets=linear", "likelihood.variance=global", "trainer.clip_norm=5")
    words += ("trainer.max_epochs=60", "optimizer.lr=0.02", "eval.k=500")
    result = fitted(tmp_path / "vae", *words, *COMMON)
    assert result.metrics["test/nll"] == pytest.approx(exact(tmp_path), abs=0.01)
