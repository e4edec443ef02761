"""Models under conditions and of several observed names, against log p(x | y) where it is known."""

from __future__ import annotations

import copy
import math
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal
from torch.nn import functional as F
from torch.testing import assert_close

from tests.theorems import (
    assert_mean,
    bits_vae,
    elbo,
    iwae,
    linear,
    refused,
    scattered,
    set_linear,
)
from vaebench.check import check
from vaebench.data import Field, Spec, Support
from vaebench.distributions import DiagNormal
from vaebench.heads.by_field import by_field
from vaebench.heads.likelihoods import Bernoulli, Gaussian, Label
from vaebench.heads.posteriors import Bits
from vaebench.heads.posteriors import Gaussian as GaussianPosterior
from vaebench.heads.priors import Bits as BitsPrior
from vaebench.heads.priors import Conditioned, Normal, Vamp
from vaebench.inference import infer, log_mean_exp, outline
from vaebench.inference.hamiltonian import Hamiltonian
from vaebench.models import DRAW, VAE, ConditionalDensity, Hierarchical, Unconditional
from vaebench.objectives.baselines import Learned
from vaebench.trace import Trace

CLASSES, NOISE, SPREAD = 3, 0.7, 0.6
X, Y = Field((2,)), Field((), Support.LABEL, CLASSES)
SPEC = Spec({"x": X, "y": Y, "w": Field((4,), Support.BINARY, 2)}, size=100)
W = torch.tensor([[1.0], [-0.5]], dtype=torch.float64)
SHIFT = torch.tensor([[0.3, -1.0, 2.0], [0.0, 0.5, -0.7]], dtype=torch.float64)
"""x = W z + SHIFT onehot(y) + NOISE ε."""
TOP = torch.tensor([0.4, -1.2, 0.0], dtype=torch.float64)
"""z ~ N(TOP_y, SPREAD²) under the conditional prior."""
EXAMPLES = {
    "x": torch.tensor([[0.5, -1.0], [2.0, 0.3], [0.0, 0.0]], dtype=torch.float64),
    "y": torch.tensor([0, 2, 1]),
    "w": torch.tensor([[0, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 1]], dtype=torch.float64),
}
NET = {"hidden": [], "activation": "tanh"}
SEES_LABEL = partial(VAE, SPEC, nets=linear(), posterior=GaussianPosterior, conditions=["y"])


def cvae(*, conditional: bool) -> VAE:
    """A linear and Gaussian one, p(z | y) learned or N(0, 1); its q is yet to be set."""
    model = SEES_LABEL(
        latent_dim=1,
        prior=partial(Conditioned, **NET) if conditional else Normal,
        likelihood=partial(Gaussian, variance="fixed", scale=NOISE),
    )
    set_linear(model.likelihood.net.net[1], torch.cat([W, SHIFT], 1), torch.zeros(2))
    if conditional:
        free = torch.full((1, CLASSES), math.log(SPREAD))
        set_linear(model.prior.density.net.net[0], torch.cat([TOP[None], free]), torch.zeros(2))
    return model


def with_exact_posterior(model: VAE, *, conditional: bool) -> VAE:
    """q(z | x, y) = p(z | x, y), which is linear in x and one-hot y."""
    sd, top = (SPREAD, TOP) if conditional else (1.0, torch.zeros(CLASSES))
    variance = 1 / (1 / sd**2 + W.square().sum() / NOISE**2)
    of_x = variance * W.T / NOISE**2
    of_y = variance * top[None] / sd**2 - of_x @ SHIFT
    mean = torch.cat([of_x, of_y], 1)
    weight = torch.cat([mean, torch.zeros_like(mean)])
    bias = torch.stack([torch.zeros(()), variance.sqrt().log()])
    set_linear(model.posterior.net.net[1], weight, bias)
    return model


def exact(*, conditional: bool) -> Tensor:
    """log p(x | y) of the examples."""
    sd, top = (SPREAD, TOP) if conditional else (1.0, torch.zeros(CLASSES))
    y = F.one_hot(EXAMPLES["y"], CLASSES).double()
    mean = y @ SHIFT.T + (y @ top)[:, None] * W.T
    covariance = sd**2 * W @ W.T + NOISE**2 * torch.eye(2)
    return MultivariateNormal(mean, covariance).log_prob(EXAMPLES["x"])


# ------------------------------------------------------------------------- log p(x | y) is known
@pytest.mark.parametrize("conditional", [False, True], ids=["p(z)", "p(z | y)"])
def test_the_bound_at_the_exact_posterior_is_log_p_of_x_given_y(conditional):
    model = with_exact_posterior(cvae(conditional=conditional), conditional=conditional)
    log_w = infer(model, EXAMPLES, 5).log_w
    assert_close(log_w, exact(conditional=conditional).expand(5, 3))


@pytest.mark.parametrize("conditional", [False, True], ids=["p(z)", "p(z | y)"])
def test_importance_weights_of_another_q_have_mean_p_of_x_given_y(conditional):
    model = cvae(conditional=conditional)
    weight = torch.tensor([[0.3, -0.2, 0.1, 0.5, -0.4], [0.0] * 5])
    set_linear(model.posterior.net.net[1], weight, torch.tensor([0.0, -0.2]))
    log_w = infer(model, EXAMPLES, 20_000).log_w
    assert_mean((log_w - exact(conditional=conditional)).exp(), 1.0)


def test_it_says_what_it_bounds_and_what_each_name_is():
    model = cvae(conditional=True)
    seen = outline(model, SPEC)
    assert seen.quantity == "log p(x | y)"
    assert seen.conditions == ("y",)
    assert seen.roles == {"x": "observed", "y": "condition", "w": "extra"}
    check(model, iwae(model, SPEC), seen)


# ----------------------------------------------------------------------------- conditional priors
@pytest.mark.parametrize("hidden", [[], [5]], ids=str)
def test_a_conditional_prior_begins_at_the_standard_normal_whatever_is_known(hidden):
    prior = Conditioned(Field((2,)), {"y": Y, "x": X}, hidden=hidden, activation="tanh")
    p = prior.of(EXAMPLES)
    assert prior.reads == ("y", "x")
    assert_close(p.loc, torch.zeros(3, 2))
    assert_close(p.log_scale, torch.zeros(3, 2))


def test_a_conditional_prior_of_bits_begins_fair():
    bits = Field((4,), Support.BINARY, 2)
    p = Conditioned(bits, {"y": Y}, hidden=[5], activation="tanh")(EXAMPLES["y"])
    assert_close(p.logits, torch.zeros(3, 4))


def test_the_kl_to_a_conditional_prior_has_a_closed_form_and_is_learned():
    model = scattered(cvae(conditional=True))
    seen = outline(model, SPEC)
    assert seen.kl_obstacle is None
    evidence = infer(model, EXAMPLES, 1)
    q, p = evidence.q["z"].dist, evidence.p["z"].dist
    assert isinstance(p, DiagNormal)
    expected = torch.distributions.kl_divergence(
        *(torch.distributions.Normal(d.loc, d.log_scale.exp()) for d in (q, p))
    ).sum(-1)
    assert_close(evidence.kl()[0], expected)
    check(model, elbo(model, SPEC), seen)


def test_a_prior_of_conditions_that_there_are_not_is_refused():
    with refused("prior", "model", match="this model has none"):
        bits_vae(partial(Conditioned, **NET))
    text = Field((5,), Support.TOKENS, 9)
    with refused("prior", match="this prior reads numbers; the data are tokens"):
        Conditioned(Field((2,)), {"text": text}, **NET)


# ---------------------------------------------------------------------------------- vamp priors
def vamp(spec: Spec = SPEC, **options: object) -> VAE:
    likelihood = partial(Gaussian, variance="fixed", scale=NOISE)
    rest = {"nets": linear(), "posterior": GaussianPosterior, "likelihood": likelihood}
    rest |= {"prior": partial(Vamp, components=3)}
    return VAE(spec, latent_dim=2, **rest | options)


def test_a_vamp_prior_does_not_own_the_posterior_that_it_is_made_of():
    model = vamp()
    assert {n for n in model.state_dict() if n.startswith("prior.")} == {
        "prior.pseudo",
        "prior.log_weights",
    }


def test_a_copy_of_a_model_has_a_vamp_prior_of_its_own_posterior():
    model = vamp()
    other, z = copy.deepcopy(model), torch.randn(5, 2)
    before = model.prior().log_prob(z)
    with torch.no_grad():
        for parameter in other.posterior.parameters():
            parameter.add_(1.0)
    assert torch.equal(model.prior().log_prob(z), before)
    assert (other.prior().log_prob(z) - before).abs().min() > 0.01


def test_parameters_that_are_held_fixed_are_so_in_a_vamp_prior_too():
    """`functional_call` reaches the posterior that the prior holds."""
    model, z = vamp(), torch.randn(5, 2)
    zeros = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    found = torch.func.functional_call(model, zeros, (lambda m: m.prior().log_prob(z),))
    standard = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)
    assert_close(found, standard)


@pytest.mark.parametrize("more", [{"observed": ["x", "w"]}, {"conditions": ["y"]}], ids=str)
def test_a_vamp_prior_of_a_posterior_that_reads_more_is_refused(more):
    with refused("prior", match=r"in this model q reads x, "):
        vamp(likelihood=by_field_of_numbers(), **more)


# ------------------------------------------------------------------------------ several observed
def by_field_of_numbers() -> partial:
    """A Gaussian of reals, a Bernoulli of bits."""
    gaussian = partial(Gaussian, variance="fixed", scale=NOISE)
    return partial(
        by_field, bits=Bernoulli, reals=gaussian, levels=Bernoulli, tokens=Bernoulli, labels=Label
    )


def test_several_observed_names_are_scored_each_by_its_own_likelihood_at_one_z():
    model = scattered(vamp(prior=Normal, likelihood=by_field_of_numbers(), observed=["w", "x"]))
    evidence, batch = infer(model, EXAMPLES, 4), EXAMPLES
    z = evidence.q["z"].value
    bits, reals = (part.net(z) for part in model.likelihood)
    by_hand = -F.binary_cross_entropy_with_logits(
        bits, batch["w"].expand(4, 3, 4), reduction="none"
    ).sum(-1) + torch.distributions.Normal(reals, NOISE).log_prob(batch["x"]).sum(-1)
    assert_close(evidence.recon, by_hand)
    seen = outline(model, SPEC)
    assert seen.quantity == "log p(x, w)"
    check(model, elbo(model, SPEC), seen)


@pytest.mark.parametrize("model", [vamp, partial(vamp, prior=Normal)], ids=["vamp", "normal"])
def test_one_name_in_a_list_is_that_name(model):
    torch.manual_seed(0)
    plain = model(observed="x")
    torch.manual_seed(0)
    listed = model(observed=["x"])
    assert list(plain.state_dict()) == list(listed.state_dict())
    for one, other in zip(plain.parameters(), listed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_several_fields_without_latents_are_independent():
    model = scattered(Unconditional(SPEC, likelihood=by_field_of_numbers(), observed=["x", "w"]))
    p = Trace(1, 3, EXAMPLES)
    model.generate(p, EXAMPLES)
    loc, logits = model.params
    of_x = torch.distributions.Normal(loc, NOISE).log_prob(EXAMPLES["x"]).sum(-1)
    of_w = torch.distributions.Bernoulli(logits=logits).log_prob(EXAMPLES["w"]).sum(-1)
    assert_close(p["x"].log_prob[0], of_x)
    assert_close(p["w"].log_prob[0], of_w)


# ------------------------------------------------------------------------------ other structures
IMAGE = Spec({"x": Field((1, 4, 4), Support.BINARY, 2), "y": Y, "v": Field((2,))}, size=100)
SHARED = {"prior": partial(Conditioned, **NET), "likelihood": Bernoulli}
SHARED |= {"conditions": ["y", "v"]}
DEEP = partial(Hierarchical, IMAGE, layers=[3, 2], nets=linear(), links=linear(), **SHARED)
MODELS = {
    "vae": partial(VAE, IMAGE, latent_dim=3, nets=linear(), posterior=GaussianPosterior, **SHARED),
    "hierarchical": partial(DEEP, posterior=GaussianPosterior),
    "bits": partial(DEEP, posterior=Bits),
    "draw": partial(
        DRAW,
        IMAGE,
        T=2,
        latent_dim=2,
        hidden=4,
        attention=True,
        read=2,
        write=2,
        posterior=GaussianPosterior,
        **SHARED,
    ),
}


@pytest.mark.parametrize("condition", ["y", "v"])
@pytest.mark.parametrize("name", MODELS)
def test_every_density_of_a_model_depends_on_its_conditions(name, condition):
    """At the same values of all latents: of the changed example, and of no other."""
    model, batch = scattered(MODELS[name](), spread=0.1), IMAGE.example(3)
    latents = {n: s.value for n, s in infer(model, batch, 2).q.sites.items()}
    other = dict(batch)
    other[condition] = batch[condition].clone()
    other[condition][0] = (batch["y"][0] + 1) % CLASSES if condition == "y" else 5.0

    def scored(batch: dict[str, Tensor]) -> dict[str, Tensor]:
        q, p = Trace(2, 3, {**batch, **latents}), Trace(2, 3, {**batch, **latents})
        model.joint(p, q, batch, batch)
        traces = (("q", q), ("p", p))
        return {f"{n} {s.name}": s.log_prob for n, t in traces for s in t.sites.values()}

    before, after = scored(batch), scored(other)
    assert len(before) >= 3
    for site, value in before.items():
        assert (after[site][:, 0] - value[:, 0]).abs().min() > 1e-6, site
        assert_close(after[site][:, 1:], value[:, 1:])


@pytest.mark.parametrize("name", MODELS)
def test_it_generates_under_conditions_alone_and_trains(name):
    model, batch = MODELS[name](), IMAGE.example(3)
    p = Trace(2, 3, {n: batch[n] for n in ("y", "v")})
    model.generate(p, {n: batch[n] for n in ("y", "v")})
    assert p["x"].value.shape == (2, 3, 1, 4, 4)
    estimator = "score" if name == "bits" else "auto"
    objective = elbo(model, IMAGE, kl="mc", estimator=estimator)
    check(model, objective, outline(model, IMAGE))


# ------------------------------------------------------------------------- a conditional density
def regression(**options: object) -> ConditionalDensity:
    fixed = partial(Gaussian, variance="fixed", scale=NOISE)
    return ConditionalDensity(SPEC, nets=linear(), likelihood=fixed, **options)


def test_a_conditional_density_is_a_regression_of_what_is_observed():
    model = regression(observed="x", conditions=["y", "w"])
    p = Trace(1, 3, EXAMPLES)
    model.generate(p, EXAMPLES)
    layer = model.likelihood.net.net[1]
    read = torch.cat([F.one_hot(EXAMPLES["y"], CLASSES).double(), EXAMPLES["w"]], 1)
    expected = torch.distributions.Normal(read @ layer.weight.T + layer.bias, NOISE)
    assert_close(p["x"].log_prob[0], expected.log_prob(EXAMPLES["x"]).sum(-1))
    seen = outline(model, SPEC)
    assert seen.quantity == "log p(x | y, w)"
    assert seen.latents == ()


def test_a_conditional_density_needs_conditions():
    options = ("model.conditions=[y]", "model.conditions=[w]")
    with refused("model", match="there are none", options=options):
        regression(observed="x", conditions=[])


# ----------------------------------------------------------------------- what reads them besides
def test_a_learned_baseline_reads_conditions_too():
    prior = partial(Conditioned, **NET)
    options = {"nets": linear(), "posterior": Bits, "likelihood": Bernoulli, "observed": "w"}
    model = VAE(SPEC, latent_dim=2, prior=prior, conditions=["y"], **options)
    baseline = scattered(Learned(outline(model, SPEC), hidden=4)).eval()
    evidence, signal = infer(model, EXAMPLES, 2, reparam=False), torch.zeros(2, 3)
    other = {**EXAMPLES, "y": torch.tensor([1, 2, 1])}
    plain, moved = (baseline(signal, model, b, evidence).value for b in (EXAMPLES, other))
    assert set(baseline.read) == {"w", "y"}
    changed = (moved - plain).abs().expand(2, 3) > 1e-6
    assert changed.tolist() == [[True, False, False]] * 2
    without = VAE(SPEC, latent_dim=2, prior=BitsPrior, **options)
    assert set(Learned(outline(without, SPEC), hidden=4).read) == {"w"}


def test_refined_samples_under_conditions_are_unbiased_too():
    """E w = p(x | y), whatever the momentum model makes of x and y."""
    refine = partial(Hamiltonian, steps=2, step_size=0.2, hidden=[4], activation="tanh")
    model = cvae(conditional=True)
    set_linear(model.posterior.net.net[1], torch.zeros(2, 5), torch.tensor([0.0, -0.2]))
    model.refine = scattered(refine({"z": Field((1,))}, {"x": X, "y": Y}), spread=0.3)
    with torch.no_grad():
        model.refine.log_step.z.fill_(math.log(0.2))
    log_w = infer(model, EXAMPLES, 20_000).log_w.detach()
    assert_mean((log_w - exact(conditional=True)).exp(), 1.0)
    assert log_mean_exp(log_w).isfinite().all()


def test_names_that_cannot_be_observed_or_conditions_are_refused():
    make = partial(vamp, prior=Normal)
    for more, match, options in (
        ({"observed": []}, "generates nothing", ("model.observed=[x]",)),
        ({"observed": ["x", "x"]}, "a name twice", ("model.observed=[x]",)),
        ({"observed": "q"}, "generates q, and the data hold x, y, w", ("model.observed=x", "model.observed=w")),
        ({"conditions": ["x"]}, "conditioned on x, which it generates", ("model.conditions=[]",)),
        ({"conditions": ["y", "q"]}, "on q, and the data hold", ("model.conditions=[y]",)),
        ({"conditions": ["y", "y"]}, "on y twice", ("model.conditions=[y]",)),
    ):  # fmt: skip
        with refused("model", match=match, options=options):
            make(**more)
    text = Spec({"x": X, "t": Field((5,), Support.TOKENS, 9)}, size=10)
    with refused("nets", match="reads numbers; the data t are tokens"):
        make(text, conditions=["t"])
