"""Annealed importance sampling: E[w] = p(x) on the way up, E[1/w] = 1/p(x) on the way down."""

import pytest
import torch

from tests.theorems import BottomUp, assert_mean, largest_z, wide_ppca, z_scores
from vaebench.distributions import Noise
from vaebench.inference import Annealing, drawn, log_mean_exp, simulate
from vaebench.inference.ais import temperatures

PATH, COPIES = 24, 10_000
"""So few temperatures that weights vary, and enough that 1/w has no heavy tail to judge."""


def annealing(model, chains, n=PATH, leapfrog=3, seed=0):
    return Annealing(model, chains, n, leapfrog, Noise(torch.Generator().manual_seed(seed)))


def tuned(model, chains, batch, n=PATH, leapfrog=3):
    found = annealing(model, chains, n, leapfrog)
    found.tune(batch)
    return found


def posterior_samples(model, x):
    """z ~ p(z | x) of a `PPCAModel`, `[1, B, D]`."""
    a, c = model.exact_posterior()
    eps = torch.randn(len(x), len(c))
    return {"z": (x @ a.T + eps @ torch.linalg.cholesky(c).T).unsqueeze(0)}


# ------------------------------------------------------------------------------- temperatures
@pytest.mark.parametrize("n", [1, 2, 3, 10, 1000])
def test_temperatures_increase_from_exactly_0_to_exactly_1(n):
    betas = temperatures(n)
    assert betas.shape == (n + 1,)
    assert betas[0] == 0
    assert betas[-1] == 1
    assert (betas.diff() > 0).all()


def test_temperatures_lie_densest_at_both_ends():
    steps = temperatures(100).diff()
    torch.testing.assert_close(steps, steps.flip(0))
    assert (steps[:50].diff() > 0).all()


# ------------------------------------------------------------------------- the two identities
def test_the_weights_average_to_the_likelihood():
    model = wide_ppca()
    log_w = tuned(model.vae, 20_000, model.batch).forward(model.batch)
    assert log_w.shape == (20_000, 1)
    assert_mean((log_w - model.log_prob(model.x)).exp().flatten(), 1.0)


def test_the_weights_of_two_layers_average_to_the_likelihood():
    model = BottomUp()
    batch = {"x": model.x.unsqueeze(0)}
    log_w = tuned(model, 20_000, batch).forward(batch)
    assert_mean((log_w - model.log_prob(model.x)).exp().flatten(), 1.0)


def test_the_inverse_weights_from_the_posterior_average_to_the_inverse_likelihood():
    """Each copy of the example is a replicate with an exact sample of its own."""
    model, batch = wide_ppca(), copies()
    z = posterior_samples(model, batch["x"])
    assert_mean(inverse_ratios(model, tuned(model.vae, 2, batch), z), 1.0)


@pytest.mark.parametrize("size", [0.5, 1.2])
def test_the_identities_hold_whatever_the_step(size):
    """Small steps that are all accepted, and large ones that Metropolis' rule half refuses."""
    model, batch = wide_ppca(), copies()
    path = fixed(model.vae, size)
    assert_mean((path.forward(batch) - model.log_prob(model.x)).exp().mean(0), 1.0)
    z = posterior_samples(model, batch["x"])
    assert_mean(inverse_ratios(model, path, z), 1.0)
    assert path.accepted > 0.9 if size < 1 else path.accepted < 0.6


def test_a_start_off_the_posterior_breaks_the_inverse_identity():
    """So the tests above would see it."""
    model = wide_ppca()
    z = {"z": torch.randn(1, COPIES, 2)}
    assert z_scores(inverse_ratios(model, fixed(model.vae, 0.5), z), 1.0) > largest_z()


def copies():
    return {"x": wide_ppca().x.expand(COPIES, 3)}


def fixed(model, size):
    """A path that was not tuned."""
    path = annealing(model, 2)
    path.sizes = [size] * PATH
    return path


def inverse_ratios(model, path, z):
    """p(x) / w of the reversed chains from z, averaged over chains, `[B]`."""
    log_w = path.backward(copies(), z)
    assert log_w.shape == (2, COPIES)
    return (model.log_prob(model.x) - log_w).exp().mean(0)


def test_one_temperature_is_importance_sampling_from_the_prior():
    model = wide_ppca()
    path = annealing(model.vae, 500, n=1, seed=4)
    path.sizes = [0.5]
    z = torch.randn(500, 1, 2, generator=torch.Generator().manual_seed(4))
    expected = model.vae.likelihood(z).log_prob(model.batch["x"]).detach()
    torch.testing.assert_close(path.forward(model.batch), expected)


# --------------------------------------------------------------------------------- the bounds
def bounds(n, leapfrog, size):
    """Forward bound, exact log p(x) and backward bound of simulated examples, `[B]` each."""
    model, noise = wide_ppca(), Noise(torch.Generator().manual_seed(2))
    p = simulate(model.vae, size, {}, noise)
    batch, z = {"x": drawn(p, "x")}, {"z": drawn(p, "z").unsqueeze(0)}
    path = tuned(model.vae, 16, batch, n, leapfrog)
    lower = log_mean_exp(path.forward(batch))
    upper = -log_mean_exp(-path.backward(batch, z))
    return lower, model.log_prob(batch["x"]), upper


def test_few_temperatures_leave_one_bound_below_and_the_other_above():
    lower, exact, upper = bounds(2, 1, 1000)
    assert z_scores(lower - exact, 0.0) < -largest_z()
    assert z_scores(upper - exact, 0.0) > largest_z()


def test_many_temperatures_bring_both_bounds_to_the_likelihood():
    lower, exact, upper = bounds(300, 2, 50)
    below, above = exact - lower, upper - exact
    assert min(z_scores(below, 0.0), z_scores(above, 0.0)) > -largest_z()
    assert max(below.mean(), above.mean()) < 0.1
    assert (upper - lower).std() > 1e-3


# ------------------------------------------------------------------------------------- conduct
def test_tuning_brings_the_acceptance_near_its_target():
    model = wide_ppca()
    path = tuned(model.vae, 100, model.batch, n=150)
    path.forward(model.batch)
    assert len(path.sizes) == 150
    assert 0.5 < path.accepted < 0.8


def test_the_parameters_of_the_model_stay_as_they_are():
    model = wide_ppca()
    before = {name: value.clone() for name, value in model.vae.state_dict().items()}
    tuned(model.vae, 4, model.batch).forward(model.batch)
    assert all(torch.equal(value, before[n]) for n, value in model.vae.state_dict().items())
    assert all(p.grad is None for p in model.vae.parameters())


def test_everything_random_comes_from_the_noise():
    model = wide_ppca()
    before = torch.get_rng_state()
    first, second = (tuned(model.vae, 4, model.batch).forward(model.batch) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)
