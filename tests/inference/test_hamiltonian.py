"""Hamiltonian refinement: honest weights, and samples nearer to the posterior."""

import math

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import (
    STEP,
    BottomUp,
    assert_mean,
    constrained,
    elbo,
    flat_gradient,
    largest_z,
    wide_ppca,
    z_scores,
)
from vaebench.data import Field
from vaebench.distributions import Noise
from vaebench.errors import Incompatible
from vaebench.inference import Hamiltonian, infer, stream
from vaebench.inference.target import Target

LATENT, OBSERVED = {"z": Field((2,))}, {"x": Field((3,))}


def refinement(latents=LATENT, **options) -> Hamiltonian:
    defaults = {"steps": 3, "step_size": 0.3, "hidden": [6], "activation": "tanh"}
    return Hamiltonian(latents, OBSERVED, **defaults | options)


def refined_ppca(**options):
    """q is wider than the posterior and the momentum model narrower than N(0, I): weights whose
    tails are heavier than these have means that no number of samples shows."""
    torch.manual_seed(0)
    model = wide_ppca()
    loc = torch.tensor([[-0.2, 0.3, -0.4], [0.2, -0.3, 0.1]])
    model.set_posterior(loc, torch.tensor([0.3, 0.3]))
    model.vae.refine = refinement(**options)
    narrow(model.vae.refine)
    return model


def narrow(refine: Hamiltonian) -> None:
    """A momentum model that depends on x and z, with standard deviations around 0.6."""
    for net in refine.momentum.values():
        for parameter in net.parameters():
            torch.nn.init.normal_(parameter, std=0.15)
        with torch.no_grad():
            net.layers[-1].bias[2:] = -0.5


def copies(model, n: int) -> dict[str, torch.Tensor]:
    return {"x": model.x.expand(n, 3)}


def test_the_weights_average_to_the_likelihood_whatever_the_momentum_model():
    """E[w] = p(x), over q(z_0 | x) and N(v_0; 0, I)."""
    model = refined_ppca()
    log_w = infer(model.vae, copies(model, 200), 500).log_w
    assert_mean((log_w - model.log_prob(model.x)).exp().flatten(), 1.0)


def test_a_momentum_model_that_forgets_the_proposal_would_not():
    model = refined_ppca()
    evidence = infer(model.vae, copies(model, 200), 500)
    without = evidence.log_w + evidence.correction
    z = z_scores((without - model.log_prob(model.x)).exp().flatten(), 1.0)
    assert z.abs() > largest_z()


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (elbo, {}),
        (elbo, {"free_bits": 1e-12, "free_bits_per": "site"}),
        (constrained, {"limit": 0.0, "multiplier": 1.0}),
    ],
    ids=["elbo", "free bits", "constrained"],
)
def test_every_objective_charges_what_the_momenta_cost(make, options):
    """At β = 1, no free bits to speak of and a limit of 0 each is minus the mean of log w."""
    model = refined_ppca()
    model.set_posterior(torch.full((2, 3), 0.2), torch.tensor([-1.0, -1.0]))
    objective = make(model.vae, model.spec, **options)
    torch.manual_seed(1)
    loss = objective(model.vae, copies(model, 200), STEP).loss
    torch.manual_seed(1)
    evidence = infer(model.vae, copies(model, 200), 1)
    assert evidence.correction.mean().abs() > 0.1
    assert (evidence.q["z"].log_prob - evidence.p["z"].log_prob).mean() > 0  # of free bits
    assert_close(loss, -evidence.log_w.mean())
    own = flat_gradient(-evidence.log_w.mean(), model.vae)
    assert_close(flat_gradient(loss, model.vae), own)


def test_two_layers_are_moved_together():
    model = BottomUp()
    model.refine = refinement({"h1": Field((2,)), "h2": Field((2,))}, step_size=0.1)
    narrow(model.refine)
    log_w = infer(model, {"x": model.x.expand(200, 3)}, 500).log_w
    assert_mean((log_w - model.log_prob(model.x)).exp().flatten(), 1.0)


def test_dynamics_move_samples_towards_the_posterior():
    """E log p(x, z_T) is above E log p(x, z_0) where q is far off."""
    model = refined_ppca(steps=5)
    model.set_posterior(torch.zeros(2, 3), torch.tensor([1.0, 1.0]))
    batch, target = copies(model, 1), Target(model.vae, copies(model, 1))
    moved = infer(model.vae, batch, 4000).q["z"].value
    model.vae.refine = None
    still = infer(model.vae, batch, 4000).q["z"].value
    gain = sum(target({"z": moved})) - sum(target({"z": still}))
    assert z_scores(gain.flatten(), 0.0) > largest_z()


def test_the_gradient_reaches_step_sizes_momentum_model_encoder_and_decoder():
    """Finite differences of the bound at fixed noise."""
    model = refined_ppca()
    parameters = list(model.vae.parameters())

    def bound() -> torch.Tensor:
        noise = Noise(torch.Generator().manual_seed(1))
        return infer(model.vae, copies(model, 2), 3, noise=noise).log_w.mean()

    gradient = flat_gradient(bound(), model.vae)
    direction = torch.randn(len(gradient), generator=torch.Generator().manual_seed(2))
    parts = direction.split([p.numel() for p in parameters])
    values = []
    for sign in (1e-5, -1e-5):
        with torch.no_grad():
            for p, part in zip(parameters, parts, strict=True):
                p.add_(sign * part.view_as(p))
            values.append(bound())
            for p, part in zip(parameters, parts, strict=True):
                p.sub_(sign * part.view_as(p))
    assert_close((values[0] - values[1]) / 2e-5, gradient @ direction, atol=1e-6, rtol=1e-6)
    for name, p in model.vae.refine.named_parameters():
        assert torch.autograd.grad(bound(), p)[0].any(), name


def test_evaluation_without_gradients_gives_the_same_weights():
    model = refined_ppca()

    def weights() -> torch.Tensor:
        noise = Noise(torch.Generator().manual_seed(1))
        return infer(model.vae, copies(model, 2), 3, noise=noise).log_w

    with torch.no_grad():
        assert_close(weights(), weights())
        without = weights()
    assert not without.requires_grad
    assert_close(without, weights().detach())


def test_streamed_samples_are_refined_too():
    model = refined_ppca()
    with torch.no_grad():
        parts = list(stream(model.vae, copies(model, 100), 700, Noise()))
        log_w = torch.cat([e.log_w for e in parts])
    assert log_w.shape == (700, 100)
    assert all(e.correction is not None for e in parts)
    assert_mean((log_w - model.log_prob(model.x)).exp().flatten(), 1.0)


def test_the_bound_pays_for_the_momenta_and_the_likelihood_estimate_less():
    """E log w < E L_k ≤ log p(x)."""
    model = refined_ppca()
    with torch.no_grad():
        log_w = infer(model.vae, copies(model, 400), 64).log_w
    bound = log_w.mean(0)
    many = log_w.logsumexp(0) - math.log(64)
    assert z_scores(many - bound, 0.0) > largest_z()
    assert z_scores(many, model.log_prob(model.x)) < largest_z()


@pytest.mark.parametrize(
    ("options", "said"), [({"steps": 0}, "refine.steps=0"), ({"step_size": 0.0}, "step_size")]
)
def test_a_refinement_that_goes_nowhere_is_refused(options, said):
    with pytest.raises(Incompatible, match=said):
        refinement(**options)
