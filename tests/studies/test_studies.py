"""Studies against what is known of them."""

import math
from functools import partial

import pytest
import torch
from torch.testing import assert_close

from tests.fast import first_of
from tests.theorems import largest_z, z_scores
from tests.training.test_system import config
from vaebench.composition import compose
from vaebench.distributions import FullNormal
from vaebench.errors import Refusal
from vaebench.heads.flows import PlanarFlow
from vaebench.heads.posteriors import Gaussian
from vaebench.inference import infer
from vaebench.studies import STUDIES
from vaebench.studies.energies import FAMILIES, FlowEnergies, energy, log_normaliser
from vaebench.studies.flow_gaps import FlowGaps, PriorSampling
from vaebench.studies.linear import correlated
from vaebench.studies.local_reparam import Draws, LocalReparameterization


def quiet(line: str) -> None:
    assert line


def test_the_normaliser_of_the_second_energy_is_its_closed_form():
    """A Gaussian band across a box of width 8 whose walls are half a Gaussian each."""
    across = 8 + math.sqrt(2 * math.pi) * 0.1
    exact = math.log(across * math.sqrt(2 * math.pi) * 0.4)
    assert_close(log_normaliser(2), exact, atol=1e-4, rtol=0)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_an_energy_is_lowest_on_the_figure_it_draws(number):
    """Ring with two modes; one sine band; two bands that part; two that part for good."""
    on = {
        1: [(2.0, 0.0), (-2.0, 0.0)],
        2: [(0.0, 0.0), (1.0, 1.0)],
        3: [(0.0, 0.0), (1.0, 1.0), (1.0, -2.0)],
        4: [(-1.0, -1.0), (3.0, -1.0), (3.0, -4.0)],
    }[number]
    off = [(0.0, 3.5), (0.0, -3.5)]
    assert energy(number, torch.tensor(on)).max() < 1 < energy(number, torch.tensor(off)).min()


def test_the_walls_keep_a_density_inside_the_box():
    inside, outside = torch.tensor([3.9, 0.0]), torch.tensor([4.5, 0.0])
    for number in (1, 2, 3, 4):
        assert energy(number, outside) > energy(number, inside) + 5


def test_there_are_four_energies():
    with pytest.raises(Refusal, match="there are 1, 2, 3 and 4"):
        energy(5, torch.zeros(2))


@pytest.mark.parametrize("name", first_of(FAMILIES))
def test_fitting_brings_every_family_nearer_to_the_target(name):
    short = FlowEnergies(energies=[2], flows=[name], lengths=[4], steps=1, batch=64)
    longer = FlowEnergies(energies=[2], flows=[name], lengths=[4], steps=150, batch=64)
    (before,), (after,) = (study.run(quiet).rows for study in (short, longer))
    assert before["kl"] - after["kl"] > largest_z() * (before["kl_se"] + after["kl_se"])
    assert after["kl"] > -largest_z() * after["kl_se"]  # no KL is negative


def test_the_diagonal_gap_is_the_kl_from_the_best_diagonal_gaussian():
    p = correlated(3, 6, 0.5, torch.Generator().manual_seed(0))
    covariance = p.precision.inverse()
    best = FullNormal(torch.zeros(3), torch.diag(p.precision.diagonal().rsqrt()))
    exact = torch.distributions.MultivariateNormal(torch.zeros(3), covariance)
    q = torch.distributions.MultivariateNormal(torch.zeros(3), scale_tril=best.scale_tril)
    assert_close(
        torch.distributions.kl_divergence(q, exact), torch.tensor(p.diagonal_gap), atol=1e-8, rtol=0
    )
    assert p.diagonal_gap > 0.05


def test_the_frozen_model_is_the_linear_one_and_its_gaussian_begins_at_the_optimum():
    """log p(x) - bound is the diagonal gap at every x."""
    generator = torch.Generator().manual_seed(0)
    p = correlated(3, 6, 0.5, generator)
    x = p.sample(50, generator)
    model = p.vae(Gaussian)
    with torch.no_grad():
        gaps = torch.stack(
            [p.log_prob(x) - infer(model, {"x": x}, 400).elbo for _ in range(30)]
        ).mean(1)
    assert z_scores(gaps, p.diagonal_gap).abs() < largest_z()
    assert not any(w.requires_grad for w in model.likelihood.parameters())


def test_longer_fitting_takes_a_planar_flow_below_the_diagonal_gap():
    study = FlowGaps(posteriors=["planar"], K=6, steps=300, batch=64)
    (row,) = study.run(quiet).rows
    assert row["gap"] + largest_z() * row["gap_se"] < row["diagonal_gap"]
    assert row["gap"] > -largest_z() * row["gap_se"]


def test_an_untrained_flow_is_no_better_than_its_base():
    generator = torch.Generator().manual_seed(0)
    p = correlated(3, 6, 0.5, generator)
    gap = FlowGaps().gap(p.vae(partial(PlanarFlow, K=6)), p, p.sample(200, generator))
    assert z_scores(gap, p.diagonal_gap) > -largest_z()


def test_prior_samples_fail_as_the_latent_grows_and_those_of_q_do_not():
    rows = PriorSampling(dims=[1, 6], samples=2000, examples=20).run(quiet).rows
    first, last = rows
    assert abs(first["prior_error"]) < 0.2
    assert last["prior_error"] < -10
    assert abs(last["posterior_error"]) < 0.5
    assert last["prior_ess"] < 0.01 * last["posterior_ess"]


def test_the_variance_of_a_sum_is_that_of_its_terms_and_of_their_covariance():
    """N² (Var[L] / M + (M - 1) / M Cov[L, L']): of bounds with a part in common."""
    own, common = torch.randn(4000, 5), torch.randn(4000, 1)
    gradients = {"layer": torch.randn(4000, 3) * torch.tensor([1.0, 2.0, 0.0])}
    draws = Draws(2 * own + common, gradients, [0.5, 0.25, 1.0])
    found = draws.of_bound(10)
    assert found["bound_variance"] == pytest.approx(100 * (5 / 5 + 4 / 5), rel=0.1)
    assert abs(found["correlation"] - 1 / 5) < largest_z() * found["correlation_se"]
    sizes = draws.bounds.var(0).mean().item() / 5 * (1 + 4 * found["correlation"])
    assert found["bound_variance"] == pytest.approx(100 * sizes)
    value, se = draws.by_layer(10)["layer"]
    assert abs(value - 500) < largest_z() * se
    assert found["ms"] == 500


def test_local_draws_leave_no_covariance_and_the_least_variance_of_the_gradient():
    torch.set_default_dtype(torch.float32)  # of the data
    cfg = config("model=bayes_classifier", "nets.hidden=[20]", "dataset.binarize=none")
    study = LocalReparameterization(batches=[100], repeats=60, trained=0)
    found = {(row["estimator"], row["layer"]): row for row in study.of(compose(cfg), quiet).rows}

    def gap_z(lower, higher, layer):
        one, other = found[lower, layer], found[higher, layer]
        se = math.hypot(one["variance_se"], other["variance_se"])
        return (other["variance"] - one["variance"]) / se

    below, last = "likelihood.net.1", "likelihood.net.3"
    for layer in (below, "all but the last", "all"):
        assert gap_z("local", "per_example", layer) > 3
        assert gap_z("per_example", "shared", layer) > 3
    # The activations decide the gradient of the last layer's means.
    assert abs(gap_z("local", "per_example", last)) < largest_z()
    assert gap_z("per_example", "shared", last) > 3
    first = {name: found[name, below] for name in ("local", "per_example", "shared")}
    for name in ("local", "per_example"):
        assert abs(first[name]["correlation"]) < largest_z() * first[name]["correlation_se"]
    assert first["shared"]["correlation"] > 3 * first["shared"]["correlation_se"]


def test_every_study_has_a_name_and_documents_itself():
    for study in STUDIES.values():
        assert study.__doc__
        assert "=" not in study.__doc__.splitlines()[0]
