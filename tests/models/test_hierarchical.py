"""Hierarchies: q goes up, p comes down, and small ones can be summed over."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from tests.theorems import (
    BINARY,
    EXAMPLES,
    STEP,
    assert_mean,
    at_every_value,
    belief_net,
    bits,
    bits_vae,
    elbo,
    flat_gradient,
    iwae,
    linear,
    log_q_of,
    refused,
    scattered,
)
from vaebench.check import check
from vaebench.data import Field, Spec, Support
from vaebench.errors import Incompatible
from vaebench.heads import Likelihood, Prior, priors
from vaebench.heads.likelihoods import Bernoulli
from vaebench.heads.likelihoods import Gaussian as GaussianLikelihood
from vaebench.heads.posteriors import Bits, FullGaussian, Gaussian, PointMass
from vaebench.heads.priors import AutoregressiveBits, LearnedGaussian, Normal, Vamp
from vaebench.inference import infer, outline
from vaebench.models import VAE, Hierarchical
from vaebench.nets import MLP
from vaebench.objectives import IWAE
from vaebench.trace import Trace

REAL = Spec({"x": Field((3,))}, size=100)
autoregressive = partial(AutoregressiveBits, hidden=[4], activation="tanh")
NETS = {
    "two layers": belief_net,
    "three layers": partial(belief_net, 3, 2, 2),
    "autoregressive top": partial(belief_net, 3, 3, prior=autoregressive),
}
each_net = pytest.mark.parametrize("make", NETS.values(), ids=NETS.keys())


def gaussian(
    *layers: int,
    prior: type[Prior] | partial[Prior] = Normal,
    posterior=Gaussian,
    likelihood: type[Likelihood] | partial[Likelihood] = GaussianLikelihood,
) -> Hierarchical:
    """A hierarchy of real numbers; its nets bend, so that no log σ runs away with a draw."""
    nets = MLP(hidden=[4], activation="tanh", init="glorot", output_bias="zero")
    model = Hierarchical(
        REAL,
        layers=list(layers),
        nets=nets,
        links=nets,
        posterior=posterior,
        prior=prior,
        likelihood=likelihood,
    )
    return scattered(model, spread=0.5)


def log_p(model, x: torch.Tensor) -> torch.Tensor:
    """log p(x), summed over every latent."""
    evidence = at_every_value(model, x)
    return (evidence.log_w + log_q_of(evidence))[:, 0].logsumexp(0).detach()


# -------------------------------------------------------------------------------- its programs
@pytest.mark.parametrize("layers", [[2], [3, 2], [3, 2, 1]], ids=str)
def test_q_goes_up_and_p_comes_down(layers):
    evidence = infer(gaussian(*layers), {"x": torch.randn(2, 3)}, 3)
    up = [f"z{i + 1}" for i in range(len(layers))]
    assert list(evidence.q.sites) == list(evidence.latents) == up
    assert list(evidence.p.sites) == [*reversed(up), "x"]
    assert [site.name for site in evidence.observed] == ["x"]


@pytest.mark.parametrize("make", [gaussian, belief_net], ids=["gaussian", "bits"])
def test_latents_have_the_widths_asked_for_and_every_score_is_k_by_b(make):
    evidence = infer(make(4, 2, 1), {"x": EXAMPLES[:2]}, 3)
    for name, width in (("z1", 4), ("z2", 2), ("z3", 1)):
        assert evidence.q[name].value.shape == (3, 2, width)
        assert evidence.p[name].dist.event_shape == (width,)
        assert evidence.q[name].log_prob.shape == evidence.p[name].log_prob.shape == (3, 2)
    assert evidence.log_w.shape == evidence.recon.shape == (3, 2)


def test_the_encoder_of_the_data_runs_once_whatever_k():
    evidence = infer(gaussian(3, 2), {"x": torch.randn(2, 3)}, 5)
    assert evidence.q["z1"].dist.batch_shape == (2,)
    assert evidence.q["z2"].dist.batch_shape == (5, 2)


def test_each_conditional_is_given_the_layer_next_to_it_and_nothing_else():
    """∂ of a site's parameters with respect to the values of others."""
    model = gaussian(3, 2, 2)
    found = infer(model, {"x": torch.randn(1, 3)}, 1)
    z = {name: found.q[name].value.detach().requires_grad_() for name in found.latents}
    x = torch.randn(1, 3, requires_grad=True)
    q, p = Trace(1, 1, {"x": x, **z}), Trace(1, 1, {"x": x, **z})
    model.recognise(q, {"x": x})
    model.generate(p, {"x": x})
    inputs = {"x": x, **z}
    parents = {
        "q": {"z1": {"x"}, "z2": {"z1"}, "z3": {"z2"}},
        "p": {"z3": set(), "z2": {"z3"}, "z1": {"z2"}, "x": {"z1"}},
    }
    for trace, expected in ((q, parents["q"]), (p, parents["p"])):
        for name, wanted in expected.items():
            loc = getattr(trace[name].dist, "loc", None)
            assert moved_by(loc, inputs) == wanted, name


def moved_by(loc: torch.Tensor | None, inputs: dict[str, torch.Tensor]) -> set[str]:
    if loc is None or not loc.requires_grad:
        return set()
    found = torch.autograd.grad(loc.sum(), list(inputs.values()), allow_unused=True)
    return {name for name, g in zip(inputs, found, strict=True) if g is not None and g.any()}


def test_links_are_bits_where_q_infers_bits_and_gaussians_with_a_scale_of_their_own_elsewhere():
    assert all(isinstance(link.head, Bits) for link in belief_net(3, 2, 2).links)
    for posterior in (Gaussian, FullGaussian):
        model = gaussian(3, 2, 2, posterior=posterior)
        assert all(type(link.head) is Gaussian for link in model.links)
        assert [link.head.param_shape for link in model.links] == [(6,), (4,)]


@pytest.mark.parametrize("observed", ["x", "image"])
def test_what_is_generated_is_the_name_that_was_asked_for(observed):
    spec = Spec({observed: Field((3,), Support.BINARY, 2)}, size=100)
    heads = {"posterior": Bits, "prior": autoregressive, "likelihood": Bernoulli}
    model = Hierarchical(
        spec, layers=[2, 2], nets=linear(), links=linear(), observed=observed, **heads
    )
    assert infer(model, {observed: EXAMPLES}, 1).observed[0].name == observed


@pytest.mark.parametrize("layers", [[], [0], [3, 0], [-1]], ids=str)
def test_a_layer_without_latents_is_refused(layers):
    with pytest.raises(Incompatible, match=r"model\.layers="):
        gaussian(*layers)


# ------------------------------------------------------------------------- one layer is a VAE
def test_one_layer_has_the_evidence_of_a_vae_with_the_same_weights():
    for posterior, prior, likelihood, spec in (
        (Gaussian, LearnedGaussian, GaussianLikelihood, REAL),
        (Bits, autoregressive, Bernoulli, BINARY),
    ):
        shared = {"posterior": posterior, "prior": prior, "likelihood": likelihood}
        vae = VAE(spec, latent_dim=2, nets=linear(), **shared)
        deep = Hierarchical(spec, layers=[2], nets=linear(), links=linear(), **shared)
        scattered(vae)
        state = {n.replace("posterior.", "posterior.0."): v for n, v in vae.state_dict().items()}
        deep.load_state_dict(state)
        torch.manual_seed(1)
        expected = infer(vae, {"x": EXAMPLES}, 4)
        torch.manual_seed(1)
        found = infer(deep, {"x": EXAMPLES}, 4)
        assert_close(found.log_w, expected.log_w)
        assert_close(found.recon, expected.recon)


def test_one_layer_has_a_closed_form_kl():
    model = belief_net(3)
    objective = elbo(model, BINARY, kl="analytic", estimator="score")
    x = EXAMPLES
    kl = objective(model, {"x": x}, STEP).terms["kl"]
    q, p = model.posterior[0](x).mean, model.prior.logits.sigmoid()
    expected = (q * (q / p).log() + (1 - q) * ((1 - q) / (1 - p)).log()).sum(-1)
    assert_close(kl, expected.detach())


@pytest.mark.parametrize("make", [gaussian, belief_net], ids=["gaussian", "bits"])
def test_two_layers_have_none_and_the_refusal_says_why(make):
    spec = REAL if make is gaussian else BINARY
    orders = r"q visits latents in the order \['z1', 'z2'\], p in \['z2', 'z1'\]"
    with pytest.raises(Incompatible, match=orders):
        elbo(make(3, 2), spec, kl="analytic", estimator="score")
    auto = elbo(make(3, 2), spec, kl="auto", estimator="score")
    assert not auto.divergence.analytic
    assert any("estimated from the k samples" in note for note in auto.notes)


# -------------------------------------------------------------------------------- it is a density
@each_net
def test_the_probabilities_of_all_images_sum_to_one(make):
    model = make()
    total = torch.stack([log_p(model, x) for x in bits(3)]).exp().sum()
    assert_close(total, torch.tensor(1.0))


@each_net
def test_weights_average_to_the_enumerated_likelihood(make):
    """E w = p(x): importance sampling is unbiased whatever q, and a q that is near has a variance."""
    model, size = scattered(make(), spread=0.5), 4000
    with torch.no_grad():
        log_w = infer(model, {"x": EXAMPLES.repeat(size, 1)}, 25, reparam=False).log_w
    likelihood = torch.stack([log_p(model, x) for x in EXAMPLES])
    assert_mean(log_w.exp().mean(0).view(size, 3), likelihood.exp())


@each_net
def test_the_bound_of_very_many_samples_is_the_enumerated_likelihood(make):
    """To a standard error of the delta method, sd(w) / (w̄ √k)."""
    model, k = scattered(make(), spread=0.5), 40_000
    with torch.no_grad():
        log_w = infer(model, {"x": EXAMPLES}, k, reparam=False).log_w
    expected = torch.stack([log_p(model, x) for x in EXAMPLES])
    w = (log_w - expected).exp()
    bound = w.mean(0).log()
    assert (bound / (w.std(0) / w.mean(0) / k**0.5)).abs().max() < 4.5


def test_what_it_generates_has_its_probabilities():
    model, n = belief_net(), 40_000
    p = Trace(1, n)
    with torch.no_grad():
        model.generate(p, {})
    code = (p["x"].value[0] @ torch.tensor([4.0, 2.0, 1.0])).long()
    hits = nn.functional.one_hot(code, 8).double()
    assert_mean(hits, torch.stack([log_p(model, x) for x in bits(3)]).exp())


# -------------------------------------------------------------------------- what goes with it
def test_a_prior_made_of_the_posterior_is_refused_in_one_line_over_two_layers_alone():
    model = gaussian(3, 2, prior=partial(Vamp, components=4))
    with refused("prior", match=r"depends on a draw of z1\.$"):
        outline(model, REAL)
    one = gaussian(2, prior=partial(Vamp, components=4))
    check(one, iwae(one, REAL), outline(one, REAL))


@pytest.mark.parametrize("options", [{}, {"M": 2}, {"elbo_share": 0.5}], ids=str)
@pytest.mark.parametrize("layers", [[3], [3, 2], [3, 2, 2]], ids=str)
def test_every_parameter_is_trained(layers, options):
    for make, spec in ((gaussian, REAL), (belief_net, BINARY)):
        model = make(*layers)
        objective: IWAE = iwae(model, spec, k=3, estimator="auto", **options)
        loss = objective(model, {"x": EXAMPLES.repeat(200, 1)}, STEP).loss
        assert (flat_gradient(loss, model) != 0).all()
        check(model, objective, outline(model, spec))


def test_the_upper_layers_of_a_gaussian_net_have_a_path_through_the_lower_ones():
    """log q(z2 | z1) is felt by the encoder of x, through z1."""
    model = gaussian(3, 2)
    evidence = infer(model, {"x": torch.randn(2, 3)}, 3)
    first = evidence.q["z2"].value.sum()
    assert flat_gradient(first, model.posterior[0]).abs().max() > 1e-3


def test_a_point_mass_has_no_bound_in_a_hierarchy_either():
    model = gaussian(2, posterior=PointMass)
    with pytest.raises(Incompatible, match="has no density"):
        check(model, elbo(model, REAL, kl="mc", estimator="pathwise"), outline(model, REAL))


def test_bits_and_real_numbers_are_not_mixed():
    for model, spec in ((gaussian(2, prior=priors.Bits), REAL), (bits_vae(Normal), BINARY)):
        objective = elbo(model, spec, kl="mc", estimator="score")
        with refused("prior", "posterior", match="infers (bits|real numbers)"):
            check(model, objective, outline(model, spec))
