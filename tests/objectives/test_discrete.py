"""Bits, whose expectations are sums: every estimator that claims to be unbiased is."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.fast import first_of
from tests.theorems import (
    BINARY,
    EXAMPLES,
    STEP,
    assert_mean,
    at_every_value,
    belief_net,
    bits_vae,
    classes_vae,
    constrained,
    deep_belief_net,
    elbo,
    expected_bound,
    flat_gradient,
    gradient_samples,
    iwae,
    log_q_of,
    refused,
    scattered,
    spelt,
)
from vaebench.heads.priors import AutoregressiveBits
from vaebench.inference import infer, outline
from vaebench.objectives import Reconstruction, baselines

autoregressive = partial(AutoregressiveBits, hidden=[4], activation="tanh")
MODELS = {
    "one layer": bits_vae,
    "classes": classes_vae,
    "two layers": belief_net,
    "three layers": deep_belief_net,
    "autoregressive prior": partial(bits_vae, autoregressive),
    "autoregressive top": partial(belief_net, 2, 3, prior=autoregressive),
}


def learned(outline):
    """A baseline that says different things of different examples."""
    return scattered(baselines.Learned(outline, hidden=4, decay=0.95), spread=0.7)


OF_ONE = {
    "none": baselines.Nothing,
    "constant": partial(baselines.Constant, value=-3.0),
    "running": partial(baselines.Running, decay=0.95),
    "optimal": partial(baselines.Optimal, decay=0.95),
    "learned": learned,
}
OF_SEVERAL = {**OF_ONE, "leave one out": baselines.LeaveOneOut}


def over(name, choices):
    return pytest.mark.parametrize(name, first_of(choices.values()), ids=choices.keys())


every_model = over("make", dict(reversed(MODELS.items())))  # the one of most parts stands for all


def assert_unbiased(objective, model, expected: Tensor, *, x: Tensor = EXAMPLES) -> None:
    """The loss has the gradient of -expected as its mean, and -expected itself."""
    samples = gradient_samples(objective, model, x)
    assert_mean(samples, -flat_gradient(expected, model))


def tempered(beta: float, evidence) -> Tensor:
    """log p(x | z) + β [log p(z) - log q(z | x)]."""
    return evidence.recon + beta * (evidence.log_w - evidence.recon)


# ------------------------------------------------------------------------------ the test's own case
@every_model
def test_the_enumerated_q_sums_to_one_and_is_far_from_the_posterior(make):
    """Else weights would have no variance, and a mistake in them no consequence."""
    model, gaps = make(), []
    for x in EXAMPLES:
        evidence = at_every_value(model, x)
        log_q, log_w = log_q_of(evidence)[:, 0], evidence.log_w[:, 0]
        assert_close(log_q.exp().sum(), torch.tensor(1.0))
        gaps.append((log_q + log_w).logsumexp(0) - (log_q.exp() * log_w).sum())
    assert torch.stack(gaps).mean() > 0.5


def test_the_enumerated_bound_grows_with_k_towards_log_p():
    model = belief_net(2, 1)
    bounds = torch.stack([expected_bound(model, EXAMPLES, k) for k in (1, 2, 3, 4)])
    log_p = torch.stack([joint(model, x).logsumexp(0) for x in EXAMPLES]).mean()
    assert (bounds.diff() > 0).all()
    assert bounds[-1] < log_p


def joint(model, x: Tensor) -> Tensor:
    """log p(x, z) of every z, `[2^D]`."""
    evidence = at_every_value(model, x)
    return (evidence.log_w + log_q_of(evidence))[:, 0]


# ------------------------------------------------------------------------------------ the ELBO
@every_model
@over("baseline", OF_SEVERAL)
def test_the_score_function_is_unbiased_with_every_baseline(make, baseline):
    model = make()
    objective = elbo(model, BINARY, k=2, estimator="score", baseline=baseline)
    assert_unbiased(objective, model, expected_bound(model, EXAMPLES))


@every_model
@pytest.mark.parametrize("k", [1, 2])
def test_nvil_is_unbiased(make, k):
    model = make()
    objective = elbo(model, BINARY, k=k, estimator="nvil")
    for baseline in objective.estimator.baselines.values():
        scattered(baseline, spread=0.1)  # of 100 hidden units
    assert_unbiased(objective, model, expected_bound(model, EXAMPLES))


@pytest.mark.parametrize("kl", ["analytic", "mc"])
@pytest.mark.parametrize("estimator", ["score", "nvil"])
@pytest.mark.parametrize("beta", [0.3, 1.0, 2.5])
def test_the_weight_of_the_kl_and_its_form_change_the_gradient_as_they_should(estimator, kl, beta):
    model = bits_vae()
    objective = elbo(model, BINARY, estimator=estimator, kl=kl, beta=beta)
    f = partial(tempered, beta)
    assert_unbiased(objective, model, expected_bound(model, EXAMPLES, f=f))


@pytest.mark.parametrize("estimator", ["score", "nvil"])
def test_the_weight_of_the_kl_changes_the_gradient_of_two_layers_as_it_should(estimator):
    model = belief_net()
    objective = elbo(model, BINARY, estimator=estimator, beta=2.5)
    expected = expected_bound(model, EXAMPLES, f=partial(tempered, 2.5))
    assert_unbiased(objective, model, expected)


@pytest.mark.parametrize("estimator", ["score", "nvil"])
def test_a_reconstruction_alone_is_unbiased(estimator):
    model = belief_net(3)
    options = spelt({"estimator": estimator, "k": 1})
    objective = Reconstruction(model, outline(model, BINARY), **options)
    samples = gradient_samples(objective, model, EXAMPLES)
    expected = expected_bound(model, EXAMPLES, f=lambda evidence: evidence.recon)
    assert_mean(samples, -flat_gradient(expected, model))


@pytest.mark.parametrize("estimator", ["score", "nvil"])
def test_the_constrained_bound_is_unbiased(estimator):
    model = belief_net()
    objective = constrained(model, BINARY, estimator=estimator, multiplier=2.5, kl="auto")
    expected = expected_bound(model, EXAMPLES, f=partial(tempered, 2.5))
    assert_unbiased(objective, model, expected)


# ----------------------------------------------------------------------------------- free bits
def kl_of_bits(model, x: Tensor) -> Tensor:
    """KL_d of each latent dimension, averaged over examples, `[D]`."""
    q, p = model.posterior(x).logits, model.prior().logits
    return (q.sigmoid() * (q - p) + (1 - q.sigmoid()).log() - (1 - p.sigmoid()).log()).mean(0)


@pytest.mark.parametrize("estimator", ["score", "nvil"])
def test_free_bits_per_dimension_pull_at_what_exceeds_them_alone(estimator):
    model = bits_vae()
    kl = kl_of_bits(model, EXAMPLES)
    free_bits = float(kl.detach().sort().values[:2].mean())
    assert 0 < (kl > free_bits).sum() < len(kl)
    recon = expected_bound(model, EXAMPLES, f=lambda evidence: evidence.recon)
    expected = recon - kl.clamp(min=free_bits).sum()
    objective = elbo(model, BINARY, estimator=estimator, free_bits=free_bits)
    assert_unbiased(objective, model, expected)
    batch = {"x": EXAMPLES.repeat(5000, 1)}
    estimate = objective(model, batch, STEP)
    free = estimate.loss + estimate.terms["recon"].mean()
    assert_close(free.detach(), kl.clamp(min=free_bits).sum().detach())


@pytest.mark.parametrize("estimator", ["score", "nvil"])
def test_free_bits_per_dimension_of_classes_are_those_of_a_variable(estimator):
    model = classes_vae()
    q, p = (dist.factors() for dist in (model.posterior(EXAMPLES), model.prior()))
    log_q, log_p = q.logits.log_softmax(-1), p.logits.log_softmax(-1)
    kl = (log_q.exp() * (log_q - log_p)).sum((-1, -2)).mean(0)
    free_bits = float(kl.detach().mean())
    assert 0 < (kl > free_bits).sum() < len(kl) == 2
    recon = expected_bound(model, EXAMPLES, f=lambda evidence: evidence.recon)
    objective = elbo(model, BINARY, estimator=estimator, free_bits=free_bits)
    assert_unbiased(objective, model, recon - kl.clamp(min=free_bits).sum())


def kl_of_site(model, name: str) -> Tensor:
    """E_q[log q - log p] at one latent."""
    return expected_bound(model, EXAMPLES, f=lambda e: e.q[name].log_prob - e.p[name].log_prob)


@pytest.mark.parametrize("estimator", ["score", "nvil"])
def test_free_bits_per_site_pull_at_what_exceeds_them_alone(estimator):
    """Between the two sites' KLs, too far from each for the mean over a batch to cross."""
    model = belief_net()
    low, high = sorted((kl_of_site(model, n) for n in ("z1", "z2")), key=Tensor.item)
    free_bits = (low + high).item() / 2
    assert high - low > 0.4
    recon = expected_bound(model, EXAMPLES, f=lambda evidence: evidence.recon)
    objective = elbo(model, BINARY, estimator=estimator, free_bits=free_bits, free_bits_per="site")
    assert_unbiased(objective, model, recon - high)


# ------------------------------------------------------------------------- importance weights
@pytest.mark.parametrize("k", [1, 2, 3])
@over("baseline", OF_ONE)
def test_the_score_function_of_importance_weights_is_unbiased(baseline, k):
    model = belief_net(2, 2)
    objective = iwae(model, BINARY, k=k, estimator="score", baseline=baseline)
    assert_unbiased(objective, model, expected_bound(model, EXAMPLES, k))


def test_importance_weights_refuse_a_baseline_of_signals_that_hold_the_sample_itself():
    model = belief_net(2, 2)
    with refused("baseline", "estimator", "objective", match="gives one signal"):
        iwae(model, BINARY, k=2, estimator="score", baseline=baselines.LeaveOneOut)


VIMCO_MODELS = {"two layers": partial(belief_net, 2, 2), "one layer": bits_vae}
VIMCO_MODELS |= {"classes": classes_vae}


@pytest.mark.parametrize("k", [2, 3])
@over("make", VIMCO_MODELS)
def test_vimco_is_unbiased(make, k):
    model = make()
    objective = iwae(model, BINARY, k=k, estimator="vimco")
    assert_unbiased(objective, model, expected_bound(model, EXAMPLES, k))


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("estimator", ["score", "vimco"])
def test_tempered_weights_are_unbiased(estimator, k):
    model = belief_net(2, 2)
    objective = iwae(model, BINARY, k=k, estimator=estimator, beta=0.4)
    expected = expected_bound(model, EXAMPLES, k, f=partial(tempered, 0.4))
    assert_unbiased(objective, model, expected)


@pytest.mark.parametrize(("groups", "k"), [(3, 2), (2, 3)])
@pytest.mark.parametrize("estimator", ["score", "vimco"])
def test_the_mean_of_several_bounds_has_the_gradient_of_one(estimator, groups, k):
    model = belief_net(2, 2)
    objective = iwae(model, BINARY, k=k, M=groups, estimator=estimator)
    assert_unbiased(objective, model, expected_bound(model, EXAMPLES, k))


@pytest.mark.parametrize("estimator", ["score", "vimco"])
def test_a_blend_of_bounds_has_the_blend_of_their_gradients(estimator):
    model = belief_net(2, 2)
    objective = iwae(model, BINARY, k=3, elbo_share=0.7, estimator=estimator)
    first, third = (expected_bound(model, EXAMPLES, k) for k in (1, 3))
    assert_unbiased(objective, model, 0.7 * first + 0.3 * third)


# --------------------------------------------------------------------------------- what is reported
@pytest.mark.parametrize("estimator", ["score", "nvil"])
@pytest.mark.parametrize("training", [True, False])
def test_the_reported_elbo_is_the_enumerated_one(estimator, training):
    model = belief_net()
    objective = elbo(model, BINARY, estimator=estimator, beta=3.0).train(training)
    terms = objective(model, {"x": EXAMPLES.repeat(10_000, 1)}, STEP).terms
    for name, f in (("recon", lambda e: e.recon), ("bound", lambda e: e.log_w)):
        expected = torch.stack([expected_bound(model, x[None], f=f) for x in EXAMPLES])
        assert_mean(terms[name].view(-1, 3), expected.detach())
    assert_close(terms["bound"], terms["recon"] - terms["kl"])


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("estimator", ["score", "vimco"])
def test_the_reported_importance_weighted_bound_is_the_enumerated_one(estimator, k):
    model = belief_net(2, 2)
    objective = iwae(model, BINARY, k=k, estimator=estimator, beta=3.0)
    bound = objective(model, {"x": EXAMPLES.repeat(10_000, 1)}, STEP).terms["bound"]
    expected = torch.stack([expected_bound(model, x[None], k) for x in EXAMPLES])
    assert_mean(bound.view(-1, 3), expected.detach())


@pytest.mark.parametrize("estimator", ["score", "vimco"])
@pytest.mark.parametrize("k", [2, 5])
def test_the_decoder_follows_the_bound_itself_sample_by_sample(estimator, k):
    """Neither the signal nor its baseline is felt by p."""
    model, batch = belief_net(2, 2), {"x": EXAMPLES}
    objective = iwae(model, BINARY, k=k, estimator=estimator)
    torch.manual_seed(3)
    found = flat_gradient(objective(model, batch, STEP).loss, model.likelihood)
    torch.manual_seed(3)
    log_w = infer(model, batch, k, reparam=False).log_w
    expected = flat_gradient(-(log_w.logsumexp(0) - math.log(k)).mean(), model.likelihood)
    assert_close(found, expected)


# ----------------------------------------------------------------------------------------- NVIL
def test_the_local_signal_of_a_layer_holds_what_it_and_later_layers_enter():
    """q draws z1 first: it moves everything; z3 neither p(x | z1) nor what is between z1 and z2."""
    found = elbo(belief_net(2, 2, 2, 1), BINARY, estimator="nvil").estimator.moves
    assert {name: set(terms) for name, terms in found.items()} == {
        "z1": {"x", "kl z1", "kl z2", "kl z3", "kl z4"},
        "z2": {"kl z1", "kl z2", "kl z3", "kl z4"},
        "z3": {"kl z2", "kl z3", "kl z4"},
        "z4": {"kl z3", "kl z4"},
    }


def test_a_closed_form_kl_is_no_signal():
    assert elbo(bits_vae(), BINARY, estimator="nvil", kl="analytic").estimator.moves == {
        "z": ("x",)
    }


def total_variance(samples: Tensor) -> Tensor:
    return samples.var(0).sum()


def assert_varies_less(samples: Tensor, than: Tensor) -> None:
    """Judged by the standard error of a log variance ratio, as if all entries were one."""
    ratio = (total_variance(samples) / total_variance(than)).log()
    assert ratio / math.sqrt(4 / len(samples)) < -4.5


def test_nvil_varies_less_than_the_score_function_most_of_all_where_its_signal_is_local():
    model = belief_net()
    nvil = elbo(model, BINARY, estimator="nvil")
    plain = elbo(model, BINARY, estimator="score", baseline=baselines.Nothing)
    running = elbo(model, BINARY, estimator="score", baseline=OF_ONE["running"])
    draw = partial(gradient_samples, model=model, x=EXAMPLES, groups=400, size=20)
    assert_varies_less(draw(nvil, of=model.posterior), draw(plain, of=model.posterior))
    top = model.posterior[1]
    assert_varies_less(draw(nvil, of=top), draw(running, of=top))


# ---------------------------------------------------------------------------------------- VIMCO
def test_vimco_varies_less_than_the_score_function():
    """Whatever is subtracted leaves the mean as it is: only the variance tells a baseline's sign."""
    model = belief_net(2, 2)
    vimco = iwae(model, BINARY, k=3, estimator="vimco")
    plain = iwae(model, BINARY, k=3, estimator="score", baseline=baselines.Nothing)
    draw = partial(gradient_samples, model=model, x=EXAMPLES, groups=400, size=20)
    assert_varies_less(draw(vimco, of=model.posterior), draw(plain, of=model.posterior))
