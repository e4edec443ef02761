"""Dropout by its definitions: noise that the weights of an input share (A), or each has (B)."""

import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from tests.nets.weights.noisy import draws, noises, products
from tests.theorems import STEP, assert_mean, elbo, wide_ppca
from vaebench.distributions import GLOBAL, Noise
from vaebench.errors import Incompatible
from vaebench.inference import infer, rescore
from vaebench.nets.weights import dropout, dropout_a, dropout_b, gaussian

ALPHA = 0.5
FIXED = {"alpha": ALPHA, "learned": "none", "kl": "sigmoid"}
KINDS = {
    "dropout": lambda net, estimator: dropout(net, rate=1 / 3, estimator=estimator),
    "a": lambda net, estimator: dropout_a(net, **FIXED, estimator=estimator),
    "b": lambda net, estimator: dropout_b(net, **FIXED, estimator=estimator),
}


def covariance(layer, x, *, of_inputs, local):
    """Cov of x ∘ s Θ, or of x W with w_ij ~ N(θ_ij, α θ_ij²): of examples b, b' and outputs j, j',
    α Σ_i x_bi x_b'i θ_ij θ_ij', but 0 where noise is of one's own."""
    theta = next(p for name, p in layer.named_parameters() if "weight" in name).detach()
    found = ALPHA * torch.einsum("bi,ci,ji,ki->bjck", x, x, theta, theta)
    if local:
        found = found * torch.eye(len(x))[:, None, :, None]
    if not of_inputs:
        found = found * torch.eye(len(theta))[None, :, None, :]
    return found.flatten(2).flatten(0, 1)


@pytest.mark.parametrize("estimator", ["local", "shared"])
@pytest.mark.parametrize("kind", KINDS)
def test_activations_have_the_moments_of_the_definition(kind, estimator):
    """Of binary dropout with rate p they are those of α = p / (1 - p)."""
    layer, x = nn.Linear(3, 2), torch.randn(3, 3)
    mean = layer(x).detach()
    KINDS[kind](layer, estimator)
    expected = covariance(layer, x, of_inputs=kind != "b", local=estimator == "local")
    found = draws(layer, x, count=6000)
    assert_mean(found, mean)
    assert_mean(products(found, mean), expected)


def test_type_b_per_example_has_the_moments_of_local_draws():
    layer, x = nn.Linear(3, 2), torch.randn(3, 3)
    mean = layer(x).detach()
    dropout_b(layer, **FIXED, estimator="per_example")
    expected = covariance(layer, x, of_inputs=False, local=True)
    assert_mean(products(draws(layer, x, count=6000), mean), expected)


@pytest.mark.parametrize("kind", ["dropout", "a"])
def test_a_shared_noise_of_a_convolution_is_of_every_place_and_the_same_in_all_examples(kind):
    start, x = nn.Conv2d(1, 1, 1, bias=False), torch.randn(4, 1, 3, 3)
    plain = start(x)
    for estimator in ("shared", "local"):
        layer = copy.deepcopy(start)
        KINDS[kind](layer, estimator)
        for noise in noises(layer):
            noise.draw(Noise())
        factors = (layer(x) / plain).detach()
        assert len(factors[0].unique()) > 1
        same = torch.allclose(factors, factors[:1].expand_as(factors))
        assert same == (estimator == "shared")
        assert torch.allclose(layer(x) / plain, factors) == same


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("estimator", ["local", "shared"])
def test_an_evaluation_and_whoever_looks_between_steps_see_the_means(kind, estimator):
    layer, x = nn.Linear(3, 2), torch.randn(4, 3)
    mean = layer(x)
    KINDS[kind](layer, estimator)
    (noise,) = noises(layer)
    assert_close(layer(x), mean)
    noise.draw(Noise())
    assert not torch.allclose(layer(x), mean)
    layer.eval()
    assert_close(layer(x), mean)
    layer.train()
    noise.forget()
    assert_close(layer(x), mean)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_with_shared_noise_scores_its_samples_again_by_the_same_net(kind):
    model = wide_ppca()
    KINDS[kind](model.vae, "shared")
    for noise in noises(model.vae):
        noise.draw(Noise())
    evidence = infer(model.vae, model.batch, 3)
    again, _ = rescore(evidence, model.vae, model.batch, GLOBAL)
    assert_close(again.log_w, evidence.log_w)


LEARNED = {
    "a": lambda net, how: dropout_a(net, alpha=0.3, learned=how, kl="cubic", estimator="local"),
    "b": lambda net, how: dropout_b(net, alpha=0.3, learned=how, kl="cubic", estimator="local"),
}


@pytest.mark.parametrize(
    ("kind", "learned", "linear", "convolution", "transposed"),
    [
        ("a", "layer", (), (), ()),
        ("a", "unit", (3,), (2, 1, 1), (2, 1, 1)),
        ("b", "layer", (), (), ()),
        ("b", "unit", (1, 3), (1, 2, 1, 1), (2, 1, 1, 1)),
        ("b", "weight", (4, 3), (4, 2, 3, 3), (2, 4, 3, 3)),
    ],
)
def test_alpha_is_learned_of_a_layer_an_input_or_a_weight(
    kind, learned, linear, convolution, transposed
):
    made = (
        (nn.Linear(3, 4), linear, torch.randn(2, 3)),
        (nn.Conv2d(2, 4, 3), convolution, torch.randn(2, 2, 4, 4)),
        (nn.ConvTranspose2d(2, 4, 3), transposed, torch.randn(2, 2, 4, 4)),
    )
    for layer, shape, x in made:
        LEARNED[kind](layer, learned)
        (noise,) = noises(layer)
        assert noise.alpha.free.shape == shape
        assert_close(noise.alpha.log().exp(), torch.full(shape, 0.3))
        noise.draw(Noise())
        (layer(x).square().sum() + noise.penalty()).backward()
        assert noise.alpha.free.grad.all()


def test_the_price_of_type_a_is_of_inputs_and_of_type_b_of_weights():
    one, other = nn.Linear(3, 4), nn.Linear(3, 4)
    LEARNED["a"](one, "layer")
    LEARNED["b"](other, "layer")
    (a,), (b,) = noises(one), noises(other)
    each = a.alpha.divergence(())
    assert_close(a.penalty(), 3 * each)
    assert_close(b.penalty(), 12 * each)


NOISY = [
    lambda net: gaussian(net, relative_sd=0.5, estimator="local"),
    *(lambda net, k=k: LEARNED[k](net, "layer") for k in LEARNED),
]


@pytest.mark.parametrize("noise", NOISY)
def test_the_loss_is_the_bound_less_the_reported_price_of_the_weights(noise):
    model = wide_ppca()
    noise(model.vae)
    estimate = elbo(model.vae, model.spec)(model.vae, model.batch, STEP)
    told = estimate.terms["kl_weights"]
    assert_close(told, sum(m.penalty() for m in noises(model.vae)).detach() / model.spec.size)
    assert_close(estimate.loss, told - estimate.terms["bound"].mean())


@pytest.mark.parametrize("noise", [*NOISY, lambda net: KINDS["dropout"](net, "local")])
def test_all_noise_is_the_steps_own(noise):
    model = wide_ppca()
    noise(model.vae)
    cost = elbo(model.vae, model.spec)
    before = torch.get_rng_state()
    losses = [
        cost(model.vae, model.batch, STEP, Noise(torch.Generator().manual_seed(seed))).loss
        for seed in (1, 1, 2)
    ]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(losses[0], losses[1])
    assert not torch.equal(losses[0], losses[2])


@pytest.mark.parametrize(
    ("made", "match"),
    [
        (lambda net: dropout(net, rate=1.0, estimator="local"), r"Use weights\.rate=0\.2"),
        (lambda net: dropout_a(net, **FIXED | {"alpha": 0.0}, estimator="local"), r"alpha=0\.25"),
        (
            lambda net: dropout_b(net, **FIXED | {"alpha": 1.0, "kl": "cubic"}, estimator="local"),
            r"Use weights\.kl=sigmoid",
        ),
        (lambda net: dropout(nn.Tanh(), rate=0.5, estimator="local"), "has none"),
    ],
)
def test_noise_of_no_size_or_of_no_layer_is_refused(made, match):
    with pytest.raises(Incompatible, match=match):
        made(nn.Linear(2, 2))
