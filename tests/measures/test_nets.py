"""Likelihoods of an average over nets drawn from q(weights), where it is known."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.measures.test_classification import Told
from tests.theorems import largest_z
from vaebench.check import Report
from vaebench.composition import Composition
from vaebench.data import Column, Field, InMemorySplit, Spec
from vaebench.distributions import DiagNormal
from vaebench.errors import Refusal
from vaebench.inference import outline
from vaebench.measures.base import Subject
from vaebench.measures.evaluation import check_nets
from vaebench.measures.likelihood import ImportanceSampling, averaged, common_error
from vaebench.models import RecognitionFirst
from vaebench.nets.weights import gaussian
from vaebench.objectives import MaximumLikelihood

SD, NOISE = 0.6, 0.5


class Regressed(Told):
    """Inputs x `[N, 3]` and numbers y `[N, 1]`."""

    def __init__(self, x, y):
        super().__init__(x, y)
        self.spec_ = Spec({"x": Field((3,)), "y": Field((1,))}, len(x))

    def split(self, part):
        return InMemorySplit({"x": Column(self.x), "y": Column(self.y)})


class Linear(RecognitionFirst):
    """p(y | x, w) = N(x·w, NOISE²)."""

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(3, 1, bias=False)

    def recognise(self, q, batch):
        """There is nothing to infer."""

    def generate(self, p, batch):
        loc = self.net(batch["x"])
        p("y", DiagNormal(loc, torch.full_like(loc, math.log(NOISE))))


def of_regression(estimator):
    """Its subject, and log p(y | x) with w ~ N(m, SD²) integrated out: N(x·m, NOISE² + |x|² SD²)."""
    generator = torch.Generator().manual_seed(1)
    x, m = torch.randn(20, 3, generator=generator), torch.tensor([[0.5, -1.0, 0.2]])
    y = x @ m.T + torch.randn(20, 1, generator=generator)
    data, model = Regressed(x, y), Linear()
    gaussian(model, relative_sd=1.0, estimator=estimator)
    weight = model.net.parametrizations.weight
    with torch.no_grad():
        weight.original.copy_(m)
        weight[0].log_sd.fill_(math.log(SD))
    objective = MaximumLikelihood(model, outline(model, data.spec), k=1)
    report = Report("log p(y | x)", {"y": "observed", "x": "condition"}, ())
    composition = Composition(data, model.eval(), objective.eval(), report)
    variance = NOISE**2 + x.square().sum(1, keepdim=True) * SD**2
    exact = torch.distributions.Normal(x @ m.T, variance.sqrt()).log_prob(y)[:, 0]
    return Subject(composition, torch.device("cpu")), exact


@pytest.mark.parametrize("estimator", ["local", "per_example", "shared"])
def test_the_average_over_nets_is_the_likelihood_with_weights_integrated_out(estimator):
    """In each example, by an error that holds where all examples see the same nets, too."""
    subject, exact = of_regression(estimator)
    found = ImportanceSampling(weight_samples=1000)(subject)
    assert found["weight_samples"] == 1000
    assert abs(found["nll"] + exact.mean().item()) < largest_z() * found["nll_mc_se"]
    assert found["nll_mc_se"] < 0.1
    torch.testing.assert_close(subject.kept["nll"], -exact.double(), atol=0.5, rtol=0)


def test_without_draws_the_likelihood_is_of_the_means():
    subject, exact = of_regression("local")
    data = subject.composition.data
    alone = torch.distributions.Normal(data.x @ torch.tensor([[0.5], [-1.0], [0.2]]), NOISE)
    found = ImportanceSampling()(subject)["nll"]
    assert found == pytest.approx(-alone.log_prob(data.y).mean().item())
    assert abs(found + exact.mean().item()) > 0.2  # so that the test above is able to fail


def test_the_error_of_draws_in_common_does_not_shrink_with_the_examples():
    """Of w = e^(σ ε - σ²/2), whose mean is 1: √(Var w / S), or that over √N where each has its own."""
    own = 0.3 * torch.randn(2000, 50) - 0.045
    common = own[:, :1].expand(2000, 50)
    one = math.sqrt(math.expm1(0.09) / 2000)
    assert common_error(common) == pytest.approx(one, rel=0.1)
    assert common_error(own) == pytest.approx(one / math.sqrt(50), rel=0.1)
    assert averaged(torch.zeros(7, 2))[1].tolist() == pytest.approx([7.0, 7.0])


def test_nets_that_are_all_the_same_are_not_averaged():
    composition, model = of_regression("local")[0].composition, Linear()
    check_nets(5, composition, ["likelihood"], "weight_samples")
    objective = MaximumLikelihood(model, outline(model, composition.data.spec), k=1)
    alone = replace(composition, model=model, objective=objective)
    check_nets(0, alone, [], "weight_samples")
    with pytest.raises(Refusal, match=r"no noise.* Use weight_samples=0\."):
        check_nets(5, alone, ["likelihood"], "weight_samples")
    with pytest.raises(
        Refusal, match=r"likelihood and classification alone\. Use weight_samples=0"
    ):
        check_nets(5, composition, ["terms"], "weight_samples")
