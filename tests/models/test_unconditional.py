"""A likelihood alone, and what of it has a closed form."""

from functools import partial

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import flat_gradient, refused
from vaebench.data import Column, Field, InMemorySplit, Spec, Support
from vaebench.heads.covariances import LinearGaussian
from vaebench.heads.likelihoods import Bernoulli, Categorical, Gaussian
from vaebench.inference import infer
from vaebench.models import Unconditional
from vaebench.models.em import moments


def numbers(n=2500, dim=5):
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn((dim, dim), generator=generator, dtype=torch.float64)
    return 100 + torch.randn((n, dim), generator=generator, dtype=torch.float64) @ mix


def test_moments_in_pieces_are_those_of_the_whole_far_from_0_too():
    x = numbers()
    mean, covariance = moments(InMemorySplit({"x": Column(x)}), "x")
    assert_close(mean, x.mean(0))
    assert_close(covariance, x.T.cov(correction=0), rtol=1e-9, atol=0)


@pytest.mark.parametrize(
    "likelihood",
    [
        partial(LinearGaussian, rank=2),
        partial(Gaussian, variance="global"),
        partial(Gaussian, variance="per_pixel"),
        partial(Gaussian, variance="amortised"),
    ],
    ids=["ppca", "global", "per pixel", "amortised"],
)
def test_in_closed_form_no_gradient_is_left(likelihood):
    x = numbers()
    spec = Spec({"x": Field((5,), mean=x.mean(0))}, len(x))
    model = Unconditional(spec, likelihood=likelihood, fit="closed_form")
    assert model.solves
    assert model.fit(InMemorySplit({"x": Column(x)})) == []
    gradient = flat_gradient(-infer(model, {"x": x}, 1).log_w.mean(), model)
    assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-8)


def test_by_gradient_it_starts_at_the_mean_alone():
    x = numbers()
    spec = Spec({"x": Field((5,), mean=x.mean(0))}, len(x))
    model = Unconditional(spec, likelihood=partial(LinearGaussian, rank=2), fit="gradient")
    before = [p.detach().clone() for p in model.parameters()]
    model.fit(InMemorySplit({"x": Column(x)}))
    assert not model.solves
    assert all(map(torch.equal, before, model.parameters()))


@pytest.mark.parametrize(
    ("field", "likelihood"),
    [
        (Field((5,), Support.LEVELS, 3, torch.full((5,), 0.5)), Categorical),
        (Field((5,), Support.BINARY, 2), Bernoulli),
    ],
    ids=["levels", "a mean that nobody knows"],
)
def test_what_has_no_closed_form_is_refused_one(field, likelihood):
    options = ("model.fit=gradient",)
    with refused("likelihood", match="in closed form", options=options):
        Unconditional(Spec({"x": field}, 10), likelihood=likelihood, fit="closed_form")
