"""The lecture's example, f = z² under N(μ, 1) at μ = 1: means and variances of every estimator."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from hydra.utils import get_object
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.testing import assert_close

from tests.theorems import assert_mean, refused
from vaebench.data import Field, Spec
from vaebench.distributions import GLOBAL, DiagNormal, StandardNormal
from vaebench.heads import Conditional, Head
from vaebench.inference import outline
from vaebench.models import RecognitionFirst
from vaebench.objectives import baselines
from vaebench.objectives.bounds import Bound, LogMeanExp, Mean
from vaebench.objectives.estimators import (
    ESTIMATORS,
    NVIL,
    STL,
    VIMCO,
    DReG,
    Estimand,
    OneOfK,
    Pathwise,
    Score,
)
from vaebench.paths import conf_dir

SPEC = Spec({"x": Field((1,))}, size=100)
DRAWS = 400_000
BEST, BEST_VARIANCE = 4.0, 14.0
"""E[f s²] / E[s²] = E[(1 + ε)² ε²] = 4, and E[(f - 4)² s²] - 2² = 14."""


class UnitNormal(Head):
    """N(μ, 1)."""

    param_shape = (1,)

    def forward(self, params):
        return DiagNormal(params, torch.zeros(1))


class Square(RecognitionFirst):
    """q(z | x) = N(x, 1): each example is its own μ, so that each has a gradient of its own."""

    def __init__(self):
        super().__init__()
        self.posterior = Conditional(nn.Identity(), UnitNormal())

    def recognise(self, q, batch):
        q("z", self.posterior(batch["x"]))

    def generate(self, p, batch):
        p("x", DiagNormal(p("z", StandardNormal(torch.zeros(1))), torch.zeros(1)))


def square(evidence) -> dict[str, Tensor]:
    return {"f": evidence.q["z"].value.square().sum(-1)}


def gradients(estimator, k: int = 1, draws: int = DRAWS) -> Tensor:
    """∂/∂μ at μ = 1, one estimate for each example: `[B]`."""
    mu = torch.ones(draws, 1, requires_grad=True)
    found = estimator(Square(), {"x": mu}, k, square, Mean(), GLOBAL)
    for name, value in found.state.items():
        estimator.get_buffer(name).copy_(value)
    return torch.autograd.grad(found.surrogate.sum(), mu)[0][:, 0]


def assert_mean_and_variance(samples: Tensor, variance: float) -> None:
    assert_mean(samples, 2.0)
    assert_mean((samples - 2).square(), variance)


def of(bound: Bound, k: int = 1) -> Estimand:
    model = Square()
    return Estimand(model, outline(model, SPEC), bound, square, k)


def score(baseline, k: int = 1) -> Score:
    return Score(of(Mean(), k), baseline=baseline)


@pytest.mark.parametrize("estimator", [Pathwise, STL, DReG, OneOfK])
def test_along_the_path_the_variance_is_4(estimator):
    assert_mean_and_variance(gradients(estimator(of(LogMeanExp()))), 4.0)


@pytest.mark.parametrize("k", [1, 3])
def test_without_a_baseline_the_variance_is_30(k):
    assert_mean_and_variance(gradients(score(baselines.Nothing), k), 30.0 / k)


@pytest.mark.parametrize(("b", "variance"), [(2.0, 18.0), (BEST, BEST_VARIANCE), (7.0, 23.0)])
def test_a_constant_makes_the_variance_14_plus_its_squared_distance_from_4(b, variance):
    assert_mean_and_variance(gradients(score(partial(baselines.Constant, value=b))), variance)


@pytest.mark.parametrize(("k", "variance"), [(2, 14.0), (5, 4.1)])
def test_the_variance_with_the_other_samples_mean_is_as_computed(k, variance):
    """1/k (E[c² s²] + Var f / (k - 1)) + (k - 1)/k 2² (1 + (k - 1)⁻²) - 2², where c = f - 2:
    E[c² s²] = 22 and Var f = 6."""
    assert_mean_and_variance(gradients(score(baselines.LeaveOneOut, k), k), variance)


def learnt(baseline, batches: int = 20, draws: int = 50_000) -> tuple[Score, int]:
    """The score function after its baseline has seen so many samples, and how many."""
    estimator = score(baseline)
    for _ in range(batches):
        gradients(estimator, draws=draws)
    return estimator.eval(), batches * draws


def test_the_optimal_baseline_converges_to_4_and_leaves_the_least_variance_of_any_constant():
    """E[(f - 4)² s⁴] = 102 is what the ratio's error is made of."""
    estimator, seen = learnt(partial(baselines.Optimal, decay=1.0))
    found = value_of(estimator)
    assert abs(found - BEST) < 4.5 * (102 / seen) ** 0.5
    assert_mean_and_variance(gradients(estimator), BEST_VARIANCE)


@pytest.mark.parametrize("kind", [baselines.Running, partial(baselines.Learned, hidden=3)])
def test_a_running_mean_converges_to_the_mean_of_f_and_leaves_a_variance_of_18(kind):
    estimator, seen = learnt(partial(kind, decay=1.0))
    assert abs(value_of(estimator) - 2.0) < 4.5 * (6 / seen) ** 0.5
    assert_mean_and_variance(gradients(estimator), 18.0)


def value_of(estimator: Score) -> float:
    """The baseline now, which asks nothing more of a signal once it has a past."""
    batch = {"x": torch.ones(1, 1)}
    return estimator.baseline(torch.zeros(1, 1), Square(), batch, None).value.item()


def test_an_evaluation_leaves_the_baselines_as_they_are():
    for kind in (baselines.Running, baselines.Optimal, partial(baselines.Learned, hidden=3)):
        estimator, _ = learnt(partial(kind, decay=0.9), batches=2, draws=100)
        before = {name: value.clone() for name, value in estimator.state_dict().items()}
        gradients(estimator, draws=100)
        assert all(torch.equal(v, before[n]) for n, v in estimator.state_dict().items())
        gradients(estimator.train(), draws=100)
        assert any(not torch.equal(v, before[n]) for n, v in estimator.state_dict().items())


def test_the_estimators_are_those_that_can_be_chosen_and_each_yaml_names_its_own():
    found = {path.stem: OmegaConf.load(path) for path in (conf_dir() / "estimator").glob("*.yaml")}
    targets = {name: node.get("estimator", node)._target_ for name, node in found.items()}
    assert {name: get_object(target) for name, target in targets.items()} == ESTIMATORS


FOR_ONE = {DReG: Mean, OneOfK: Mean, VIMCO: Mean, NVIL: LogMeanExp}


@pytest.mark.parametrize("kind", FOR_ONE)
def test_an_estimator_of_one_kind_of_bound_is_refused_for_the_other(kind):
    meant = "the ELBO" if FOR_ONE[kind] is LogMeanExp else "importance weights"
    with refused("estimator", "objective", match=rf"is for bounds of {meant}"):
        kind(of(FOR_ONE[kind](), k=2))


def test_dropping_the_score_is_refused_where_there_is_none():
    unscored = replace(of(Mean()), scored=False)
    with refused("estimator", "objective", match="makes no use"):
        STL(unscored)


def test_what_compares_samples_needs_two():
    with refused("estimator", match=r"k=1\.$", options=("k=5",)):
        VIMCO(of(LogMeanExp()))


def test_nvil_of_one_latent_is_the_score_function_with_a_learned_baseline():
    nvil = NVIL(of(Mean()))
    assert nvil.moves == {"z": ("f",)}
    plain = score(partial(baselines.Learned, hidden=baselines.HIDDEN, decay=baselines.DECAY))
    plain.baseline.load_state_dict(nvil.baselines["z"].state_dict())
    for _ in range(3):
        torch.manual_seed(4)
        found = gradients(nvil, k=2, draws=10)
        torch.manual_seed(4)
        assert_close(found, gradients(plain, k=2, draws=10))
