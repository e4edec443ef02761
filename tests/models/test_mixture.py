"""Mixtures: exact densities, and EM by which the likelihood never falls."""

import itertools
import math
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture
from torch.testing import assert_close

from tests.theorems import assert_mean, flat_gradient, refused
from vaebench.data import Column, Field, InMemorySplit, Spec, Support
from vaebench.data.access import dynamic_binarization
from vaebench.data.protocol import thresholds
from vaebench.distributions import Noise
from vaebench.heads.covariances import MultivariateGaussian
from vaebench.heads.likelihoods import Bernoulli, Categorical, Gaussian, Label
from vaebench.inference import infer
from vaebench.models import Mixture
from vaebench.models.em import Stop, gaussian_mixture
from vaebench.trace import Trace

SHAPE = (1, 2, 3)
BITS, LEVELS = Field(SHAPE, Support.BINARY, 2), Field(SHAPE, Support.LEVELS, 3)
KINDS = ("diagonal", "full", "tied")


def mixture(field=BITS, likelihood=Bernoulli, size=100, **options) -> Mixture:
    defaults = {"components": 4, "fit": "em", "iterations": 300, "tolerance": 0.0}
    return Mixture(Spec({"x": field}, size), likelihood=likelihood, **defaults | options)


def split_of(x) -> InMemorySplit:
    return InMemorySplit({"x": Column(x)})


def clusters(n=300, seed=0):
    """Images near three of their kind, each pixel another with probability 0.1."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randint(2, (3, *SHAPE), generator=generator).double()
    which = torch.randint(3, (n,), generator=generator)
    flips = torch.rand((n, *SHAPE), generator=generator) < 0.1
    return (centres[which] - flips.double()).abs()


def spread_out(n=300, dim=2, seed=0):
    """Real vectors of three Gaussians."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn((n, dim), generator=generator, dtype=torch.float64)
    centres = 4 * torch.randn((3, dim), generator=generator, dtype=torch.float64)
    return centres[torch.arange(n) % 3] + noise


def log_p(model, x):
    with torch.no_grad():
        return infer(model, {"x": x}, 1).log_w[0]


# ---------------------------------------------------------------------------------- the density
@pytest.mark.parametrize("field", [BITS, LEVELS], ids=["binary", "three levels"])
@pytest.mark.parametrize("components", [1, 4])
def test_its_probabilities_of_all_images_sum_to_one(field, components):
    likelihood = Bernoulli if field is BITS else Categorical
    model = mixture(field, likelihood, fit="gradient", components=components)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    levels = torch.linspace(0, 1, field.levels).tolist()
    images = torch.tensor([*itertools.product(levels, repeat=math.prod(SHAPE))])
    assert_close(log_p(model, images.view(-1, *SHAPE)).logsumexp(0), torch.tensor(0.0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dim", [1, 2])
def test_a_mixture_of_gaussians_integrates_to_one(kind, dim):
    x = spread_out(dim=dim)
    model = mixture(Field((dim,)), partial(MultivariateGaussian, covariance=kind), iterations=5)
    model.fit(split_of(x))
    axis = torch.arange(-25, 25, 0.05)
    grid = torch.cartesian_prod(*[axis] * dim).view(-1, dim)
    assert_close(log_p(model, grid).exp().sum() * 0.05**dim, torch.tensor(1.0), rtol=0, atol=1e-6)


def test_its_samples_have_its_probabilities():
    model, n = mixture(), 40_000
    model.fit(split_of(clusters()))
    p = Trace(1, n, noise=Noise(torch.Generator().manual_seed(1)))
    with torch.no_grad():
        model.generate(p, {})
    images = torch.tensor([*itertools.product([0.0, 1.0], repeat=6)]).view(-1, *SHAPE)
    code = (p["x"].value[0].flatten(1) @ 2.0 ** torch.arange(5, -1, -1.0)).long()
    probability = log_p(model, images).exp()
    likely = probability > 1e-3
    counts = torch.nn.functional.one_hot(code, 64).double()[:, likely]
    assert_mean(counts, probability[likely])


# ------------------------------------------------------------------------------------------- EM
@pytest.mark.parametrize("likelihood", [Bernoulli, Gaussian], ids=["bits", "spheres"])
@pytest.mark.parametrize("seed", range(5))
def test_the_likelihood_never_falls_and_is_what_the_history_says(likelihood, seed):
    torch.manual_seed(seed)
    x = clusters(seed=seed)
    model = mixture(likelihood=likelihood, iterations=40)
    bounds = model.fit(split_of(x))
    assert (np.diff(bounds) >= -1e-12).all()
    assert bounds[-1] > bounds[0] + 0.01
    assert bounds[-1] == pytest.approx(log_p(model, x).mean().item(), abs=1e-12)


def test_it_never_falls_where_each_access_draws_bits_anew_since_em_sees_one_draw():
    grey = torch.rand(2500, *SHAPE, dtype=torch.float32)

    def access(rows, generator):
        return dynamic_binarization(rows, generator).double()

    split = InMemorySplit({"x": Column(thresholds(grey), access)})
    assert not torch.equal(*(split.batch(torch.arange(10))["x"] for _ in range(2)))
    bounds = mixture(size=2500, iterations=30, tolerance=-1.0).fit(split)
    assert (np.diff(bounds) >= -1e-9).all()


def test_no_gradient_is_left_where_em_has_converged():
    torch.manual_seed(0)
    x = (clusters() + torch.rand(300, *SHAPE)) / 2  # whose means stay away from 0 and 1
    model = mixture(iterations=3000, components=2, tolerance=-1.0)
    model.fit(split_of(x))
    gradient = flat_gradient(-infer(model, {"x": x}, 1).log_w.mean(), model)
    assert gradient.abs().max() < 1e-6


def test_one_component_has_the_data_s_mean():
    x = clusters()
    model = mixture(components=1, iterations=1)
    model.fit(split_of(x))
    assert_close(model.density.mean.detach(), x.mean(0).clamp(0.001, 0.999))


def test_an_empty_component_keeps_its_parameters_and_breaks_nothing():
    model, x = mixture(components=3), clusters()
    x[:, 0, 0, 0] = 1.0
    with torch.no_grad():
        model.params.zero_()
        model.params[1, 0, 0, 1] = 2.0
        model.params[2, 0, 0, 0] = -1e5  # where a 1 is impossible
        bounds = model._by_means(split_of(x), 0)
    assert (np.diff(bounds) >= -1e-12).all()
    assert model.params.isfinite().all()
    assert model.params[2, 0, 0, 0] == -1e5
    assert model.density.log_weights.isfinite().all()
    assert model.density.log_weights[2] < math.log(1e-9)


def test_em_stops_where_an_iteration_gains_less_than_the_tolerance():
    model = mixture(tolerance=0.05)
    gains = np.diff(model.fit(split_of(clusters())))
    assert (gains[:-1] >= 0.05).all()
    assert gains[-1] < 0.05


def test_a_fit_depends_on_the_run_s_seed_alone():
    def fitted(seed):
        torch.manual_seed(seed)
        model = mixture(iterations=3)
        model.fit(split_of(clusters()))
        return model.params.detach()

    assert torch.equal(fitted(1), fitted(1))
    assert not torch.equal(fitted(1), fitted(2))


def test_by_gradient_it_begins_at_examples_and_is_not_solved():
    model = mixture(fit="gradient")
    before = model.params.detach().clone()
    assert model.fit(split_of(clusters())) == []
    assert not model.solves
    assert not torch.equal(model.params, before)
    assert len(model.density.components.mean.unique(dim=0)) > 1


# ------------------------------------------------------------------------------------- Gaussians
@pytest.mark.parametrize("kind", KINDS)
def test_gaussians_score_as_scikit_learn_scores_to_1e_5(kind):
    x, held_out = spread_out(dim=3), spread_out(dim=3, seed=1)
    head = MultivariateGaussian(Field((3,)), covariance=kind, min_scale=0.01)
    found = gaussian_mixture(head, x, 4, Stop(50, 1e-4), seed=7)
    model = mixture(Field((3,)), lambda field: head)
    with torch.no_grad():
        model.params.copy_(found.params)
        model.logits.copy_(found.log_weights)
    theirs = GaussianMixture(
        4,
        covariance_type="diag" if kind == "diagonal" else kind,
        tol=1e-4,
        max_iter=50,
        reg_covar=1e-4,
        random_state=7,
    ).fit(x.numpy())
    expected = torch.from_numpy(theirs.score_samples(held_out.numpy()))
    assert_close(log_p(model, held_out), expected, rtol=0, atol=1e-5)
    assert found.bounds[-1] == pytest.approx(theirs.score(x.numpy()), abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_likelihood_of_gaussians_never_falls_and_is_what_the_history_says(kind):
    x = spread_out(dim=3)
    model = mixture(Field((3,)), partial(MultivariateGaussian, covariance=kind), tolerance=1e-6)
    bounds = model.fit(split_of(x))
    assert len(bounds) > 3
    assert (np.diff(bounds) >= -1e-9).all()
    assert bounds[-1] == pytest.approx(log_p(model, x).mean().item(), abs=1e-6)


# -------------------------------------------------------------------------------------- refusals
def test_em_needs_an_m_step_in_closed_form():
    with refused("likelihood", match="no M step", options=("model.fit=gradient",)):
        mixture(LEVELS, Categorical)
    assert not mixture(LEVELS, Categorical, fit="gradient").solves


def test_a_likelihood_of_no_pixels_is_refused():
    with refused("model", "likelihood", match="parameters of each pixel"):
        mixture(Field((), Support.LABEL, 3), Label)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"components": 0}, "components=0"),
        ({"components": 101}, "there are 100 examples"),
        ({"iterations": 0}, "iterations=0"),
    ],
)
def test_numbers_that_cannot_be_are_refused_by_name(options, named):
    with refused(match=named):
        mixture(**options)
