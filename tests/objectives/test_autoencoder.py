"""The autoencoder is the noiseless limit of a VAE, and a linear one does PCA."""

from functools import partial

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import STEP, elbo, set_linear
from vaebench.data import Field, Spec
from vaebench.errors import Incompatible
from vaebench.heads.likelihoods import Gaussian as GaussianLikelihood
from vaebench.heads.posteriors import Gaussian, PointMass
from vaebench.heads.priors import Normal
from vaebench.inference import outline
from vaebench.models import VAE
from vaebench.nets import MLP
from vaebench.objectives import Reconstruction

D, WIDTH = 5, 2
SPEC = Spec({"x": Field((D,))}, size=200)


def linear(posterior) -> VAE:
    return VAE(
        SPEC,
        latent_dim=WIDTH,
        nets=MLP(hidden=[], activation="tanh", init="glorot", output_bias="zero"),
        posterior=posterior,
        prior=Normal,
        likelihood=partial(GaussianLikelihood, variance="fixed", scale=0.5),
    )


def reconstruction(model: VAE, k: int = 1) -> Reconstruction:
    return Reconstruction(model, outline(model, SPEC), k=k)


def data() -> torch.Tensor:
    """Correlated, with a mean that is not zero."""
    return torch.randn(200, D) @ torch.randn(D, D) + torch.randn(D)


def test_a_posterior_without_spread_and_without_kl_gives_the_loss_of_the_autoencoder():
    plain, noisy, x = linear(PointMass), linear(Gaussian), data()
    encoder = plain.posterior.net[1]
    set_linear(
        noisy.posterior.net[1],
        torch.cat([encoder.weight.detach(), torch.zeros(WIDTH, D)]),
        torch.cat([encoder.bias.detach(), torch.full((WIDTH,), -40.0)]),
    )
    noisy.likelihood.load_state_dict(plain.likelihood.state_dict())
    expected = reconstruction(plain)(plain, {"x": x}, STEP).loss
    for objective in (elbo(noisy, SPEC, beta=0.0, k=3), reconstruction(noisy, k=3)):
        assert_close(objective(noisy, {"x": x}, STEP).loss, expected)
    decoded = plain.likelihood.net(encoder(x))
    density = torch.distributions.Normal(decoded, 0.5).log_prob(x).sum(-1).mean()
    assert_close(expected, -density)


def test_the_optimum_of_a_linear_autoencoder_spans_the_principal_subspace():
    model, x = linear(PointMass), data()
    objective = reconstruction(model)
    optimizer = torch.optim.LBFGS(
        model.parameters(), max_iter=2000, tolerance_grad=1e-10, tolerance_change=1e-16,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = objective(model, {"x": x}, STEP).loss
        loss.backward()
        return loss

    optimizer.step(closure)
    learned, _ = torch.linalg.qr(model.likelihood.net[1].weight)
    principal = torch.linalg.svd(x - x.mean(0)).Vh[:WIDTH].T
    outside = learned - principal @ (principal.T @ learned)
    assert torch.linalg.matrix_norm(outside, 2) < 1e-5
    with torch.no_grad():
        decoded = model.likelihood(model.posterior(x).mean).mean
    centred = x - x.mean(0)
    assert_close(decoded, x.mean(0) + centred @ principal @ principal.T, rtol=0, atol=1e-4)


def test_the_autoencoder_draws_nothing_and_reports_no_bound():
    model, x = linear(PointMass), data()
    before = torch.get_rng_state()
    objective = reconstruction(model)
    terms = objective(model, {"x": x}, STEP).terms
    assert torch.equal(torch.get_rng_state(), before)
    assert not objective.has_bound
    assert set(terms) == {"recon"}
    assert terms["recon"].shape == (200,)


def test_a_point_mass_has_no_elbo():
    model = linear(PointMass)
    objective = elbo(model, SPEC)
    with pytest.raises(Incompatible, match="no density"):
        objective(model, {"x": data()}, STEP)
