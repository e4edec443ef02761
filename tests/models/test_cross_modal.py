"""Cross-modal models: the VAE where source and target are one, products and mixtures of experts, and what
is missing."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch.distributions import MultivariateNormal
from torch.testing import assert_close

from tests.theorems import (
    STEP,
    assert_mean,
    elbo,
    flat_gradient,
    iwae,
    linear,
    refused,
    set_linear,
)
from vaebench.data import Field, Spec, Support
from vaebench.distributions import DiagNormal, Ensemble, FullNormal, Noise, product
from vaebench.heads.flows import PlanarFlow
from vaebench.heads.likelihoods import Gaussian as GaussianLikelihood
from vaebench.heads.likelihoods import Label
from vaebench.heads.posteriors import FullGaussian, Gaussian
from vaebench.heads.priors import Normal
from vaebench.heads.sought import FreeForm
from vaebench.inference import Shown, infer, log_mean_exp, outline
from vaebench.models import VAE, CrossModal
from vaebench.nets import MLP

SCALE = 0.7
FIELDS = {"rgb": Field((3,)), "pose": Field((2,)), "y": Field((), Support.LABEL, 4)}
SPEC = Spec(FIELDS, 40)


def likelihood(field):
    if field.support is Support.LABEL:
        return Label(field)
    return GaussianLikelihood(field, variance="fixed", scale=SCALE, min_scale=0.0, link="identity")


def made(combine="product", nets=None, **options):
    torch.manual_seed(0)
    rest = {"latent_dim": 1, "nets": nets or linear(), "posterior": Gaussian, "prior": Normal}
    rest |= {"likelihood": likelihood, "observed": ["rgb", "pose"]}
    return CrossModal(SPEC, combine=combine, **rest | options)


def mlp():
    return MLP(hidden=[6], activation="tanh", init="glorot", output_bias="zero")


def exact():
    """Experts in proportion to p(x_m | z): N(0, 1) times those of any part is its posterior."""
    model = made()
    for name, decoder in zip(model.observed, model.likelihood, strict=True):
        (layer,) = (m for m in decoder.modules() if isinstance(m, torch.nn.Linear))
        w, b = torch.randn_like(layer.weight), torch.randn_like(layer.bias)
        set_linear(layer, w, b)
        (encoder,) = (m for m in model.posterior[name].modules() if isinstance(m, torch.nn.Linear))
        own = (w.T @ w).item()
        weight = torch.cat([w.T / own, torch.zeros_like(w.T)])
        bias = torch.tensor([-(w.T @ b).item() / own, math.log(SCALE / math.sqrt(own))])
        set_linear(encoder, weight, bias)
    return model


def near(combine="product"):
    """Experts near those, and wider: their importance weights have few large ones."""
    model = exact()
    model.combine = combine
    for expert in model.posterior.values():
        (encoder,) = (m for m in expert.modules() if isinstance(m, torch.nn.Linear))
        with torch.no_grad():
            encoder.bias += torch.tensor([0.2, 0.4])
    return model


def marginal(model, batch, *names):
    """log p of some modalities of a linear model, in closed form."""
    pairs = dict(zip(model.observed, model.likelihood, strict=True))
    layers = [next(m for m in pairs[n].modules() if isinstance(m, torch.nn.Linear)) for n in names]
    w = torch.cat([layer.weight for layer in layers])
    b = torch.cat([layer.bias for layer in layers])
    x = torch.cat([batch[name] for name in names], -1)
    return MultivariateNormal(b, w @ w.T + SCALE**2 * torch.eye(len(b))).log_prob(x)


@pytest.fixture
def batch():
    return SPEC.example(5)


def test_a_product_of_gaussians_is_their_closed_form():
    locs, scales = torch.randn(3, 4, 2), torch.rand(3, 4, 2) + 0.3
    experts = [DiagNormal(m, s.log()) for m, s in zip(locs, scales, strict=True)]
    found = product(experts)
    precision = 1 + (1 / scales.square()).sum(0)
    assert_close(found.loc, (locs / scales.square()).sum(0) / precision)
    assert_close(found.log_scale.exp(), precision.rsqrt())
    z = torch.randn(4, 2)  # and is in proportion to the densities' product
    standard = DiagNormal(torch.zeros(4, 2), torch.zeros(4, 2))

    def apart(at):
        return found.log_prob(at) - sum(e.log_prob(at) for e in (standard, *experts))

    assert_close(apart(z), apart(torch.zeros_like(z)))


@pytest.mark.parametrize("names", [("rgb", "pose"), ("rgb",), ("pose",)])
def test_with_exact_experts_every_weight_of_any_part_is_its_likelihood(batch, names):
    model = exact()
    some = {name: batch[name] for name in names}
    found = infer(model, some, 7)
    assert_close(found.log_w, marginal(model, batch, *names).expand(7, -1))


def test_a_missing_modality_costs_nothing(batch):
    """What p draws itself does not count: absent from the batch or left out of a pass."""
    model = near()
    some = {"rgb": batch["rgb"]}
    absent = infer(model, some, 20_000, noise=Noise(torch.Generator().manual_seed(0)))
    assert "pose" in absent.p
    pass_ = Shown(model, model.observed, sees=["rgb"], shows=["rgb"])
    left_out = infer(pass_, batch, 20_000, noise=Noise(torch.Generator().manual_seed(0)))
    assert "pose" not in left_out.p
    assert_close(absent.log_w, left_out.log_w)
    true = marginal(model, batch, "rgb")
    for n in range(5):
        assert_mean((absent.log_w[:, n] - true[n]).exp(), 1.0)


def test_seeing_one_modality_and_showing_another_is_the_papers_bound(batch):
    """E_q(z|rgb) log p(pose | z) - KL(q(z | rgb) ‖ p(z)), of a linear model in closed form."""
    model = near()
    pass_ = Shown(model, model.observed, sees=["rgb"], shows=["pose"])
    found = infer(pass_, batch, 20_000)
    assert [site.name for site in found.observed] == ["pose"]
    q, decoder = found.q["z"].dist, model.likelihood[1]
    (layer,) = (m for m in decoder.modules() if isinstance(m, torch.nn.Linear))
    variance = (2 * q.log_scale).exp()
    lost = layer.weight.square().sum() * variance[:, 0] / (2 * SCALE**2)
    recon = decoder(q.loc).log_prob(batch["pose"]) - lost
    assert_mean(found.recon, recon)
    kl = 0.5 * (variance + q.loc.square() - 1 - variance.log()).sum(-1)
    assert_close(found.elbo, found.recon.mean(0) - kl)


def test_of_one_modality_it_is_the_vae(batch):
    one = made("mixture", mlp(), observed="rgb", latent_dim=3)
    torch.manual_seed(0)
    options = {"latent_dim": 3, "nets": mlp(), "posterior": Gaussian, "prior": Normal}
    vae = VAE(SPEC, observed="rgb", likelihood=likelihood, **options)
    for mine, its in zip(one.parameters(), vae.parameters(), strict=True):
        assert torch.equal(mine, its)
    losses = []
    for model in (one, vae):
        noise = Noise(torch.Generator().manual_seed(1))
        found = elbo(model, SPEC, k=2)(model, batch, STEP, noise)
        losses.append((found.loss, flat_gradient(found.loss, model)))
    assert_close(losses[0], losses[1])


def test_nothing_that_is_seen_leaves_the_prior(batch):
    model = made(latent_dim=2)
    pass_ = Shown(model, model.observed, sees=[], shows=["pose"])
    found = infer(pass_, batch, 3)
    assert_close(found.kl(), torch.zeros(3, 5))


@pytest.mark.parametrize("combine", ["mixture", "mixture_of_products"])
def test_samples_of_a_mixture_are_importance_weights(batch, combine):
    model = near(combine)
    found = infer(model, batch, 30_000)
    true = marginal(model, batch, "rgb", "pose")
    parts = 2 if combine == "mixture" else 3
    assert isinstance(found.q["z"].dist, Ensemble)
    assert len(found.q["z"].dist.members) == parts
    for n in range(5):
        w = (found.log_w[:, n] - true[n]).exp()
        assert_mean(w.view(-1, parts).mean(1), 1.0)


def test_stratified_draws_are_as_many_of_each_member_and_each_alone_of_the_mixture():
    members = [DiagNormal(torch.full((4, 1), m), torch.full((4, 1), -9.0)) for m in (0.0, 5.0, 9.0)]
    both = Ensemble(members, stratified=True)
    draws = both.rsample((6,), Noise())[..., 0].round()
    assert_close(draws.sort(0).values, torch.tensor([0.0, 0, 5, 5, 9, 9])[:, None].expand(6, 4))
    first = torch.cat([both.rsample((1,), Noise())[0] for _ in range(1500)]).round()
    for m in (0.0, 5.0, 9.0):
        assert_mean((first == m).double(), 1 / 3)


def test_a_mixture_s_gradient_is_that_of_its_exact_bound(batch):
    """By quadrature: E_q over the mixture of log p(x, z) - log q(z | x)."""
    model = made("mixture")
    grid = torch.linspace(-40, 40, 8001)[:, None, None].expand(-1, 5, 1)
    found = infer(model, batch, 1)
    q = found.q["z"].dist
    exact_q = q.log_prob(grid)
    p = infer(model, batch, 8001, given={"z": grid}).p
    log_p = sum(p[name].log_prob for name in ("z", "rgb", "pose"))
    bound = (exact_q.exp() * (log_p - exact_q)).sum(0).mean() * (80 / 8000)
    wanted = flat_gradient(bound, model)
    drawn = []
    for _ in range(400):
        value = infer(model, batch, 32).log_w.mean()
        drawn.append(flat_gradient(value, model))
    samples = torch.stack(drawn)
    varied = samples.std(0) > 1e-9
    assert_mean(samples[:, varied], wanted[varied])
    assert_close(samples[0][~varied], wanted[~varied])


def test_a_label_is_a_modality(batch):
    model = made(observed=["rgb", "y"], latent_dim=2, nets=mlp())
    assert outline(model, SPEC).quantity == "log p(rgb, y)"
    for name in ("rgb", "y"):
        seen = Shown(model, model.observed, sees=[name], shows=["rgb", "y"])
        assert infer(seen, batch, 3).log_w.shape == (3, 5)


def test_what_is_hidden_is_not_read(batch):
    model = made(latent_dim=2)
    pass_ = Shown(model, model.observed, sees=["pose"], shows=["rgb", "pose"])
    other = {**batch, "rgb": torch.full_like(batch["rgb"], torch.nan)}
    assert_close(infer(pass_, batch, 2).q["z"].dist.mean, infer(pass_, other, 2).q["z"].dist.mean)


def test_frozen_generation_is_the_same_and_trains_nothing_but_q(batch):
    model = made(latent_dim=2)
    options = {"sees": ["pose"], "shows": ["rgb"]}
    values = []
    for held in (False, True):
        noise = Noise(torch.Generator().manual_seed(2))
        pass_ = Shown(model, model.observed, frozen=held, **options)
        values.append(infer(pass_, batch, 2, noise=noise).log_w.sum())
    assert_close(values[0], values[1])
    for value, trained in zip(values, (True, False), strict=True):
        some = [*model.likelihood[0].parameters()]
        gradients = torch.autograd.grad(value, some, allow_unused=True)
        assert all((g is not None) == trained for g in gradients)


def test_k_importance_samples_of_both_tighten_the_bound(batch):
    model = made(latent_dim=2)
    losses = [iwae(model, SPEC, k=k)(model, batch, STEP).terms["bound"] for k in (1, 500)]
    assert (losses[1] - losses[0]).mean() > 0
    assert_close(log_mean_exp(infer(model, batch, 9).log_w).shape, torch.Size([5]))


def test_a_product_is_of_diagonal_gaussians():
    match = "multiplies diagonal Gaussians, and this posterior is FullNormal"
    with refused("posterior", match=match, options=("model.combine=mixture",)):
        outline(made(posterior=FullGaussian, latent_dim=2), SPEC)
    q = infer(made("mixture", posterior=FullGaussian, latent_dim=2), SPEC.example(3), 2).q["z"].dist
    assert isinstance(q.members[0], FullNormal)


def test_a_mixture_is_of_posteriors_that_score_each_other_s_draws():
    model = made("mixture", posterior=partial(PlanarFlow, K=2), latent_dim=2)
    with refused("posterior", "model", match="scores only its own samples"):
        outline(model, SPEC)


@pytest.mark.parametrize("estimator", ["dreg", "one_of_k", "score"])
def test_estimators_of_independent_samples_are_refused_strata(estimator):
    model = made("mixture", latent_dim=2)
    with refused("estimator", "model", match="counts on independent samples"):
        iwae(model, SPEC, k=4, estimator=estimator)
    iwae(made(latent_dim=2), SPEC, k=4, estimator=estimator)


def test_a_posterior_without_a_net_is_refused():
    with refused("posterior", "model", match="infers by a net"):
        made(posterior=partial(FreeForm, head=Gaussian, steps=1, samples=1, lr=0.1, rate=0.1))


def test_a_model_that_needs_all_of_x_hides_none():
    options = {"latent_dim": 3, "nets": mlp(), "posterior": Gaussian, "prior": Normal}
    vae = VAE(SPEC, observed=["rgb", "pose"], likelihood=likelihood, **options)
    with refused("model", match="none can be hidden"):
        Shown(vae, vae.observed, sees=["rgb"], shows=["pose"])
    model = made()
    with refused("model", match="depth is none of what this model observes"):
        Shown(model, model.observed, sees=["depth"], shows=["pose"])
