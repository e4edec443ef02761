"""Exact enumeration is brute force, and the oracle of every estimator that samples."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import (
    BINARY,
    EXAMPLES,
    STEP,
    at_every_value,
    belief_net,
    bits_vae,
    elbo,
    expected_bound,
    flat_gradient,
    iwae,
    linear,
    refused,
    scattered,
    wide_ppca,
)
from vaebench.distributions import kl_divergence
from vaebench.heads import priors
from vaebench.heads.likelihoods import Bernoulli
from vaebench.heads.posteriors import Gaussian
from vaebench.measures.terms import HeldOut
from vaebench.models import VAE, RecognitionFirst
from vaebench.objectives.anneal import Constant
from vaebench.objectives.estimators import Enumerate

FEWER = ("model.latent_dim=8", "model.layers=[5,3]")
BATCH = {"x": EXAMPLES}
exact_elbo = partial(elbo, estimator="enumerate")
exact_iwae = partial(iwae, estimator="enumerate")


# ----------------------------------------------------- a sigmoid belief net of 8 bits, two layers
@pytest.mark.parametrize("kl", ["analytic", "mc"])
def test_the_elbo_of_8_bits_and_its_gradients_are_those_of_brute_force(kl):
    model = belief_net(5, 3)
    found = exact_elbo(model, BINARY, kl="mc" if kl == "mc" else "auto")(model, BATCH, STEP)
    expected = expected_bound(model, EXAMPLES)
    assert_close(found.terms["bound"].mean(), expected.detach())
    assert_close(-found.loss, expected)
    assert_close(flat_gradient(-found.loss, model), flat_gradient(expected, model))


@pytest.mark.parametrize("k", [1, 2])
def test_the_bound_of_k_samples_of_8_bits_and_its_gradients_are_those_of_brute_force(k):
    model = belief_net(5, 3)
    found = exact_iwae(model, BINARY, k=k)(model, BATCH, STEP)
    expected = expected_bound(model, EXAMPLES, k)
    assert_close(found.terms["bound"].mean(), expected.detach())
    assert_close(-found.loss, expected)
    assert_close(flat_gradient(-found.loss, model), flat_gradient(expected, model))


def test_recon_and_kl_are_means_under_q():
    model = bits_vae()
    terms = exact_iwae(model, BINARY, k=3)(model, BATCH, STEP).terms
    for i, x in enumerate(EXAMPLES):
        evidence = at_every_value(model, x)
        q = evidence.q["z"].log_prob.exp()
        assert_close(terms["recon"][i], (q * evidence.recon).sum().detach())
        assert_close(terms["kl"][i], evidence.kl()[0, 0].detach())


def test_a_weighed_loss_leaves_the_reported_bound_as_it_is():
    model = bits_vae()
    options = {"beta": 0.3, "anneal": Constant()}
    found = exact_iwae(model, BINARY, k=2, **options)(model, BATCH, STEP)
    assert_close(found.terms["bound"].mean(), expected_bound(model, EXAMPLES, 2).detach())

    def tempered(evidence):
        return evidence.recon + 0.3 * (evidence.log_w - evidence.recon)

    expected = expected_bound(model, EXAMPLES, 2, tempered)
    assert_close(flat_gradient(-found.loss, model), flat_gradient(expected, model))


def test_free_bits_count_means_under_q():
    model = belief_net()
    options = {"free_bits": 0.3, "free_bits_per": "site"}
    found = exact_elbo(model, BINARY, **options)(model, BATCH, STEP)
    kls = []
    for x in EXAMPLES:
        evidence = at_every_value(model, x)
        q = evidence.log_q.exp()
        kls.append(torch.stack([(q * _kl(evidence, n)).sum() for n in evidence.latents]))
    charged = torch.stack(kls).mean(0).clamp(min=0.3).sum()
    assert_close(found.loss, charged - found.terms["recon"].mean())


def _kl(evidence, name):
    return evidence.q[name].log_prob - evidence.p[name].log_prob


@pytest.mark.parametrize("estimator", ["score", "nvil"])
def test_it_is_the_mean_of_what_samples_say(estimator):
    """By z-score: the sampled gradient against the enumerated one."""
    model, x = bits_vae(), EXAMPLES[:1]
    exact = flat_gradient(exact_elbo(model, BINARY)(model, {"x": x}, STEP).loss, model)
    sampled = elbo(model, BINARY, estimator=estimator).eval()
    torch.manual_seed(3)
    batch = {"x": x.expand(2000, -1)}
    each = torch.stack([flat_gradient(sampled(model, batch, STEP).loss, model) for _ in range(60)])
    error = each.std(0) / len(each) ** 0.5
    assert ((each.mean(0) - exact).abs() < 5 * error + 1e-9).all()


def test_in_an_evaluation_it_is_as_exact():
    model = bits_vae()
    terms = exact_elbo(model, BINARY).eval()(model, BATCH, STEP).terms
    assert_close(terms["bound"].mean(), expected_bound(model, EXAMPLES).detach())


# --------------------------------------------------------------- beside latents that have a path
class Both(RecognitionFirst):
    """A bit c and, given it, a Gaussian z of two dimensions: q(c | x) q(z | x, c), p(c) p(z | c)."""

    def __init__(self):
        super().__init__()
        self.of = scattered(bits_vae(dim=1), seed=2)
        self.z = scattered(_vae(), spread=0.5, seed=3)
        self.shift = torch.nn.Parameter(torch.tensor([0.7, -0.4]))

    def recognise(self, q, batch):
        c = q("c", self.of.posterior(batch["x"]))
        q("z", self.z.posterior(batch["x"] + c))

    def generate(self, p, batch):
        c = p("c", self.of.prior())
        z = p("z", self.z.prior())
        p("x", self.z.likelihood(z + self.shift * c))


def _vae():
    return VAE(
        BINARY,
        latent_dim=2,
        nets=linear(),
        posterior=Gaussian,
        prior=priors.Normal,
        likelihood=Bernoulli,
    )


@pytest.mark.parametrize("make", [partial(elbo, k=2, kl="mc"), partial(iwae, k=2)])
def test_beside_a_latent_with_a_path_value_and_gradient_have_the_same_mean(make):
    """As the score function's of c with the path's of z: both without bias."""
    model, x = Both(), EXAMPLES[:1]
    batch = {"x": x.expand(4000, -1)}
    torch.manual_seed(0)
    bounds, gradients = [], []
    for estimator in ("enumerate", "score"):
        objective = make(model, BINARY, estimator=estimator).eval()
        each = [objective(model, batch, STEP) for _ in range(40)]
        bounds.append(torch.stack([e.terms["bound"].mean() for e in each]))
        gradients.append(torch.stack([flat_gradient(e.loss, model) for e in each]))
    for exact, sampled in (bounds, gradients):
        error = (exact.var(0) + sampled.var(0)).sqrt() / len(exact) ** 0.5
        assert ((exact.mean(0) - sampled.mean(0)).abs() <= 5 * error + 1e-9).all()
    assert (gradients[0].var(0).sum() / gradients[1].var(0).sum()).item() < 0.5


@pytest.mark.parametrize("free", [0.0, 0.4])
def test_a_kl_that_depends_on_what_is_summed_over_is_weighed_by_it(free):
    """Σ_c q(c | x) KL(q(z_d | x, c) ‖ p(z_d)): in the free bits, and in what a run tells."""
    model = Both()
    options = {"free_bits": free, "free_bits_per": "dimension"}
    found = exact_elbo(model, BINARY, **options)(model, BATCH, STEP)
    q_one = model.of.posterior(EXAMPLES).mean[:, 0]
    kls = [
        kl_divergence(model.z.posterior(EXAMPLES + c).factors(), model.z.prior().factors())
        for c in (0.0, 1.0)
    ]
    by_hand = ((1 - q_one)[:, None] * kls[0] + q_one[:, None] * kls[1]).mean(0)
    of_c = kl_divergence(model.of.posterior(EXAMPLES), model.of.prior()).mean()
    charged = torch.cat([by_hand, of_c.view(1)]).clamp(min=free).sum()
    assert_close(found.loss, charged - found.terms["recon"].mean())
    told = HeldOut(model, exact_elbo(model, BINARY).eval())
    told.add(BATCH, STEP)
    numbers = told.read()
    shown = torch.tensor([numbers["kl/z.0"], numbers["kl/z.1"]])
    assert_close(shown, by_hand.detach(), rtol=1e-6, atol=1e-6)


# ------------------------------------------------------------------------------------- refusals
def test_what_cannot_be_summed_over_is_refused():
    with refused("estimator", "posterior", match="has none"):
        exact_elbo(wide_ppca().vae, wide_ppca().spec)
    for model in (bits_vae(dim=11), belief_net(6, 5)):
        with refused("estimator", match="at most 1024 are listed", options=FEWER):
            exact_elbo(model, BINARY)
    with refused("estimator", match="needs no samples", options=("k=1",)):
        exact_elbo(bits_vae(), BINARY, k=2)
    model = bits_vae(dim=8)
    with refused("estimator", match=r"256\^3 ways", options=("k=1", "k=2")):
        exact_iwae(model, BINARY, k=3)(model, BATCH, STEP)


def test_the_number_of_values_is_the_product_over_latents():
    model = belief_net(4, 2)
    objective = exact_elbo(model, BINARY)
    assert isinstance(objective.estimator, Enumerate)
    assert objective.estimator.count == 64
