"""MIWAE, CIWAE and PIWAE against brute force on the same noise; M and k differ throughout."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.theorems import (
    BINARY,
    EXAMPLES,
    STEP,
    BottomUp,
    assert_mean,
    assert_same_mean,
    belief_net,
    bits_vae,
    expected_bound,
    flat_gradient,
    gradient_samples,
    iwae,
    refused,
    spelt,
    wide_ppca,
)
from vaebench.errors import Incompatible
from vaebench.inference import infer, outline
from vaebench.objectives import PIWAE

X = torch.tensor([[0.5, -1.0, 0.3], [0.2, 0.4, -0.7]], dtype=torch.float64)
MODELS = {"one layer": lambda: wide_ppca().vae, "two layers": BottomUp}
M_AND_K = [(3, 2), (2, 3), (1, 4), (4, 1)]
each_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
each_size = pytest.mark.parametrize(("m", "k"), M_AND_K)


def piwae(model, spec=BottomUp.spec, **options) -> PIWAE:
    defaults = {"k": 2, "M": 3, "estimator": "auto"}
    return PIWAE(model, outline(model, spec), **spelt(defaults | options))


def drawn(model, n: int) -> Tensor:
    """log w of the samples that an objective draws next, `[n, B]`."""
    torch.manual_seed(5)
    return infer(model, {"x": X}, n).log_w


def estimated(objective, model):
    torch.manual_seed(5)
    return objective(model, {"x": X}, STEP)


def mean_of_bounds(log_w: Tensor, m: int, k: int) -> Tensor:
    """1/M Σ_m log 1/k Σ_i w_{m, i}, in so many words, `[B]`."""
    bounds = []
    for one in range(m):
        own = [log_w[one * k + i].exp() for i in range(k)]
        bounds.append((sum(own) / k).log())
    return sum(bounds) / m


def sides(model) -> tuple[list[str], list[str]]:
    """Names of p's parameters, and of q's."""
    names = [name for name, _ in model.named_parameters()]
    q = [name for name in names if name.startswith(("posterior", "q1", "q2"))]
    return [name for name in names if name not in q], q


def gradient(loss: Tensor, model, names: list[str]) -> Tensor:
    named = dict(model.named_parameters())
    wanted = [named[name] for name in names]
    found = torch.autograd.grad(loss, wanted, retain_graph=True, materialize_grads=True)
    return torch.cat([g.flatten() for g in found])


# --------------------------------------------------------------------------------- MIWAE, CIWAE
@each_size
@each_model
def test_miwae_is_the_mean_of_m_bounds_of_k_and_so_is_its_gradient(make, m, k):
    model = make()
    found = estimated(iwae(model, BottomUp.spec, k=k, M=m), model)
    expected = mean_of_bounds(drawn(model, m * k), m, k)
    assert_close(found.terms["bound"], expected.detach())
    assert_close(found.loss, -expected.mean())
    assert_close(flat_gradient(found.loss, model), -flat_gradient(expected.mean(), model))


@pytest.mark.parametrize("share", [0.3, 1.0])
@each_model
def test_ciwae_is_the_blend_of_the_elbo_and_the_tight_bound_and_so_is_its_gradient(make, share):
    model = make()
    found = estimated(iwae(model, BottomUp.spec, k=4, elbo_share=share), model)
    log_w = drawn(model, 4)
    expected = share * log_w.mean(0) + (1 - share) * log_w.exp().mean(0).log()
    assert_close(found.terms["bound"], expected.detach())
    assert_close(flat_gradient(found.loss, model), -flat_gradient(expected.mean(), model))


@each_model
def test_both_at_once_blend_with_the_mean_of_bounds(make):
    model = make()
    found = estimated(iwae(model, BottomUp.spec, k=2, M=3, elbo_share=0.3), model)
    log_w = drawn(model, 6)
    expected = 0.3 * log_w.mean(0) + 0.7 * mean_of_bounds(log_w, 3, 2)
    assert_close(flat_gradient(found.loss, model), -flat_gradient(expected.mean(), model))


def test_the_temper_of_weights_enters_each_bound_and_the_report_stays_honest():
    model = wide_ppca().vae
    found = estimated(iwae(model, BottomUp.spec, k=2, M=3, elbo_share=0.3, beta=0.4), model)
    torch.manual_seed(5)
    evidence = infer(model, {"x": X}, 6)
    log_w = evidence.log_w
    f = evidence.recon + 0.4 * (log_w - evidence.recon)
    expected = 0.3 * f.mean(0) + 0.7 * mean_of_bounds(f, 3, 2)
    assert_close(flat_gradient(found.loss, model), -flat_gradient(expected.mean(), model))
    honest = 0.3 * log_w.mean(0) + 0.7 * mean_of_bounds(log_w, 3, 2)
    assert_close(found.terms["bound"], honest.detach())


def test_miwae_lies_between_its_two_ends():
    """The mean of bounds is below the bound of all, and above the mean of all."""
    log_w = drawn(wide_ppca().vae, 6).detach()
    middle = mean_of_bounds(log_w, 3, 2)
    assert (log_w.mean(0) < middle).all()
    assert (middle < mean_of_bounds(log_w, 1, 6)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"M": 0}, r"objective\.M=0"),
        ({"elbo_share": 1.5}, "must lie in"),
        ({"elbo_share": -0.1}, "must lie"),
    ],
)
def test_impossible_blends_are_refused(options, message):
    with pytest.raises(Incompatible, match=message):
        iwae(wide_ppca().vae, BottomUp.spec, **options)


# ----------------------------------------------------------------------------------------- PIWAE
@each_size
@each_model
def test_piwae_trains_p_on_the_bound_of_all_and_q_on_the_mean_of_bounds(make, m, k):
    model = make()
    loss = estimated(piwae(model, M=m, k=k), model).loss
    log_w = drawn(model, m * k)
    p, q = sides(model)
    whole, parts = (mean_of_bounds(log_w, *size).mean() for size in ((1, m * k), (m, k)))
    assert_close(gradient(loss, model, p), -gradient(whole, model, p))
    assert_close(gradient(loss, model, q), -gradient(parts, model, q))


@each_model
def test_neither_side_of_piwae_follows_the_others_bound(make):
    model = make()
    loss, log_w = estimated(piwae(model), model).loss, drawn(model, 6)
    p, q = sides(model)
    for names, size in ((p, (3, 2)), (q, (1, 6)), (p, (2, 3)), (q, (2, 3))):
        other = -gradient(mean_of_bounds(log_w, *size).mean(), model, names)
        assert (gradient(loss, model, names) - other).abs().max() > 1e-3


@each_model
def test_piwae_reports_the_bound_of_all_samples(make):
    model = make()
    found, log_w = estimated(piwae(model), model), drawn(model, 6).detach()
    assert_close(found.terms["bound"], mean_of_bounds(log_w, 1, 6))
    assert_close(found.loss.detach(), -found.terms["bound"].mean())
    assert_close(found.terms["recon"] - found.terms["kl"], log_w.mean(0))
    assert not any(term.requires_grad for term in found.terms.values())


@each_model
def test_piwae_of_one_bound_is_iwae(make):
    model = make()
    found, plain = (
        estimated(objective, model)
        for objective in (piwae(model, M=1, k=4), iwae(model, BottomUp.spec, k=4))
    )
    assert_close(found.loss, plain.loss)
    assert_close(flat_gradient(found.loss, model), flat_gradient(plain.loss, model))


@pytest.mark.parametrize("make", [bits_vae, partial(belief_net, 2, 2)], ids=["one", "two layers"])
def test_piwae_of_bits_is_unbiased_for_both_bounds(make):
    """q: the enumerated L_k. p: L_{Mk}, the mean of autograd's own gradients."""
    model = make()
    objective = piwae(model, BINARY, k=2, M=2)
    p, q = sides(model)
    batch = {"x": EXAMPLES.repeat(300, 1)}
    losses = [objective(model, batch, STEP).loss for _ in range(100)]
    found = torch.stack([gradient(loss, model, q) for loss in losses])
    assert_mean(found, -gradient(expected_bound(model, EXAMPLES, 2), model, q))
    plain = iwae(model, BINARY, k=4, estimator="vimco")
    others = [gradient(plain(model, batch, STEP).loss, model, p) for _ in range(100)]
    assert_same_mean(
        torch.stack([gradient(loss, model, p) for loss in losses]), torch.stack(others)
    )


def test_piwae_of_bits_trains_p_on_the_enumerated_bound_of_all():
    model = belief_net(2, 1)
    objective = piwae(model, BINARY, k=2, M=2)
    found = gradient_samples(objective, model, EXAMPLES, of=model.likelihood)
    expected = expected_bound(model, EXAMPLES, 4)
    assert_mean(found, -flat_gradient(expected, model.likelihood))


def test_piwae_of_bits_compares_samples_and_needs_two():
    with refused("estimator", match="k=1", options=("k=5",)):
        piwae(bits_vae(), BINARY, k=1)
