"""MADE: an exact, normalised density whatever the masks."""

import itertools
import math

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import assert_mean
from vaebench.data import Field, Spec, Support
from vaebench.distributions import Noise
from vaebench.errors import Incompatible
from vaebench.heads.likelihoods import Bernoulli
from vaebench.inference import infer
from vaebench.models import MADE
from vaebench.trace import Trace

SHAPE = (1, 2, 4)


def spec(mean: torch.Tensor | None = None) -> Spec:
    return Spec({"x": Field(SHAPE, Support.BINARY, 2, mean)}, 100)


def model(**options) -> MADE:
    torch.manual_seed(0)
    defaults = {"likelihood": Bernoulli, "hidden": [12], "activation": "tanh"}
    made = MADE(spec(), **defaults | options)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_()
    return made.eval()


def everything() -> torch.Tensor:
    """All 2^8 images."""
    bits = list(itertools.product([0.0, 1.0], repeat=math.prod(SHAPE)))
    return torch.tensor(bits).view(-1, *SHAPE)


VARIANTS = [
    {},
    {"hidden": []},
    {"hidden": [12, 9]},
    {"masks": 3},
    {"masks": 3, "order": "random"},
    {"order": "random"},
]


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_its_probabilities_sum_to_one(options):
    log_p = infer(model(**options), {"x": everything()}, 1).log_w
    assert_close(log_p.exp().sum(), torch.tensor(1.0), atol=1e-12, rtol=0)
    assert log_p.std() > 0.5


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_its_samples_have_its_probabilities(options):
    made, n = model(**options), 40_000
    p = Trace(1, n, noise=Noise(torch.Generator().manual_seed(1)))
    with torch.no_grad():
        made.generate(p, {})
        log_p = infer(made, {"x": everything()}, 1).log_w[0]
    code = (p["x"].value[0].flatten(1) @ 2.0 ** torch.arange(7, -1, -1.0)).long()
    likely = log_p.exp() > 1e-3
    counts = torch.nn.functional.one_hot(code, 256).double()[:, likely]
    assert_mean(counts, log_p.exp()[likely])


def test_a_training_step_uses_one_set_of_masks_and_their_mean_is_the_mixture():
    made, x = model(masks=3, order="random"), everything()
    members = torch.stack([made._member(torch.tensor([m])).log_prob(x) for m in range(3)])
    assert_close(infer(made, {"x": x}, 1).log_w[0], members.logsumexp(0) - math.log(3))
    made.train()
    seen = {round(infer(made, {"x": x}, 1).log_w.sum().item(), 6) for _ in range(60)}
    assert seen == {round(s.item(), 6) for s in members.sum(1)}


def test_it_begins_at_the_mean_of_the_data():
    mean = torch.rand(SHAPE)
    made = MADE(spec(mean), likelihood=Bernoulli, hidden=[5], activation="relu")
    with torch.no_grad():
        for layer in made.net.layers:
            layer.weight.zero_()
    p = Trace(1, 1)
    made.generate(p, {})
    assert_close(p["x"].dist.conditional(torch.zeros(SHAPE)).mean, mean.clamp(0.001, 0.999))


def test_a_set_of_masks_is_needed():
    with pytest.raises(Incompatible, match=r"model\.masks=0"):
        model(masks=0)
