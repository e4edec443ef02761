"""Every registered closed form of KL(q ‖ p) is right."""

import pytest
import torch
import torch.distributions as td
from torch.testing import assert_close

from tests.theorems import assert_mean
from vaebench.distributions import (
    BernoulliLogits,
    DiagNormal,
    FullNormal,
    Noise,
    OneHot,
    StandardNormal,
    Torch,
    has_kl,
    kl_divergence,
)
from vaebench.distributions.kl import _CLOSED_FORMS


def diag() -> tuple[DiagNormal, td.Distribution]:
    loc, log_scale = torch.randn(3, 2), 0.5 * torch.randn(3, 2)
    scale_tril = log_scale.exp().diag_embed()
    return DiagNormal(loc, log_scale), td.MultivariateNormal(loc, scale_tril=scale_tril)


def full() -> tuple[FullNormal, td.Distribution]:
    loc = torch.randn(3, 2)
    tril = torch.randn(3, 2, 2).tril(-1) + (0.5 * torch.randn(3, 2)).exp().diag_embed()
    return FullNormal(loc, tril), td.MultivariateNormal(loc, scale_tril=tril)


def standard() -> tuple[StandardNormal, td.Distribution]:
    zero = torch.zeros(2)
    return StandardNormal(zero), td.MultivariateNormal(zero, torch.eye(2))


def bits() -> tuple[BernoulliLogits, td.Distribution]:
    logits = 2 * torch.randn(3, 2)
    return BernoulliLogits(logits), td.Independent(td.Bernoulli(logits=logits), 1)


def classes() -> tuple[OneHot, td.Distribution]:
    logits = 2 * torch.randn(3, 2, 4)
    return OneHot(logits), td.Independent(td.OneHotCategorical(logits=logits), 1)


MAKERS = {DiagNormal: diag, FullNormal: full, StandardNormal: standard, BernoulliLogits: bits}
MAKERS |= {OneHot: classes}
PAIRS = [(q, p) for q, p in _CLOSED_FORMS if q.__module__.startswith("vaebench.")]


@pytest.fixture(params=PAIRS, ids=lambda pair: "-".join(t.__name__ for t in pair))
def pair(request):
    q, p = request.param
    return MAKERS[q](), MAKERS[p]()


def test_the_closed_form_is_that_of_torch(pair):
    (q, their_q), (p, their_p) = pair
    assert has_kl(q, p)
    assert_close(kl_divergence(q, p), td.kl_divergence(their_q, their_p))


def test_the_closed_form_is_the_mean_log_ratio_of_own_samples(pair):
    (q, _), (p, _) = pair
    z = q.sample((40_000,))
    assert_mean(q.log_prob(z) - p.log_prob(z), kl_divergence(q, p))


def test_the_kl_of_samples_against_a_batch_has_shape_k_by_b(pair):
    (q, their_q), (p, their_p) = pair
    wide_q, wide_p = (broadcast(d, (4, 3)) for d in (q, p))
    assert_close(kl_divergence(wide_q, p), td.kl_divergence(their_q, their_p).expand(4, 3))
    assert_close(kl_divergence(q, wide_p).expand(4, 3), kl_divergence(wide_q, p))


def broadcast(dist, lead):
    match dist:
        case DiagNormal():
            return DiagNormal(*(t.expand(*lead, 2) for t in (dist.loc, dist.log_scale)))
        case FullNormal():
            return FullNormal(dist.loc.expand(*lead, 2), dist.scale_tril.expand(*lead, 2, 2))
        case BernoulliLogits():
            return BernoulliLogits(dist.logits.expand(*lead, 2))
        case OneHot():
            return OneHot(dist.logits.expand(*lead, 2, 4))
    return dist


def test_kl_of_n_1_4_from_the_standard_normal_is_1_306853():
    """½ (4 + 1 - 1 - log 4)."""
    log_scale = torch.tensor([2.0]).log()
    expected = torch.tensor(1.306853)
    zero = torch.zeros(1)
    for q in (
        DiagNormal(torch.ones(1), log_scale),
        FullNormal(torch.ones(1), torch.tensor([[2.0]])),
    ):
        for p in (StandardNormal(zero), DiagNormal(zero, zero)):
            assert_close(kl_divergence(q, p), expected, rtol=0, atol=5e-7)


def test_the_kl_of_images_sums_over_all_of_their_dimensions():
    loc, log_scale = torch.randn(3, 2, 2), torch.randn(3, 2, 2)
    image = kl_divergence(DiagNormal(loc, log_scale, 2), StandardNormal(torch.zeros(2, 2)))
    flat = DiagNormal(loc.flatten(1), log_scale.flatten(1))
    assert_close(image, kl_divergence(flat, StandardNormal(torch.zeros(4))))


def test_kl_is_zero_only_between_equals():
    q, _ = diag()
    assert_close(kl_divergence(q, q), torch.zeros(3))
    assert (kl_divergence(q, StandardNormal(torch.zeros(2))) > 0).all()
    for make in (bits, classes):
        q, p = make()[0], make()[0]
        assert_close(kl_divergence(q, q), torch.zeros(3))
        assert (kl_divergence(q, p) > 0).all()


def test_the_kl_of_bits_that_are_all_but_certain_is_finite_and_right():
    """KL(δ_1 ‖ Bernoulli(p)) = -log p, and between two certainties of one kind 0."""
    sure, fair = torch.tensor([500.0]), torch.zeros(1)
    for logits in (sure, -sure):
        q = BernoulliLogits(logits.clone().requires_grad_())
        assert_close(kl_divergence(q, BernoulliLogits(fair)).detach(), torch.tensor(2.0).log())
        assert_close(kl_divergence(q, BernoulliLogits(logits / 2)).detach(), torch.tensor(0.0))
        kl = kl_divergence(q, BernoulliLogits(-logits))
        assert_close(kl.detach(), torch.tensor(500.0))
        assert torch.autograd.grad(kl, q.logits)[0].isfinite().all()


@pytest.mark.parametrize("make", [bits, classes])
def test_the_kl_of_discrete_values_is_that_of_their_enumeration(make):
    q, p = make()[0], make()[0]
    values = q.values().unsqueeze(1)
    log_q, log_p = q.log_prob(values), p.log_prob(values)
    assert_close(kl_divergence(q, p), (log_q.exp() * (log_q - log_p)).sum(0))


def test_the_kl_of_classes_that_are_all_but_certain_is_finite_and_right():
    logits = torch.tensor([[500.0, 0.0, 0.0]], requires_grad=True)
    q = OneHot(logits)
    assert_close(kl_divergence(q, OneHot(torch.zeros(1, 3))).detach(), torch.tensor(3.0).log())
    kl = kl_divergence(q, OneHot(logits.detach().flip(-1)))
    assert_close(kl.detach(), torch.tensor(500.0))
    assert torch.autograd.grad(kl, logits)[0].isfinite().all()


@pytest.mark.parametrize("make", [bits, classes])
def test_the_kl_of_bits_and_classes_is_the_sum_over_their_factors(make):
    q, p = make()[0], make()[0]
    each = kl_divergence(q.factors(), p.factors())
    assert each.shape == (3, 2)
    assert_close(each.sum(-1), kl_divergence(q, p))


def test_wrapped_torch_distributions_use_torchs_own_closed_forms():
    normal, laplace = td.Normal(torch.ones(3), 2.0), td.Laplace(torch.zeros(3), 1.0)
    assert has_kl(Torch(normal), Torch(td.Normal(torch.zeros(3), 1.0)))
    kl = kl_divergence(Torch(normal), Torch(td.Normal(torch.zeros(3), 1.0)))
    assert_close(kl, torch.full((3,), 1.306853), rtol=0, atol=5e-7)
    assert not has_kl(Torch(laplace), Torch(td.Cauchy(torch.zeros(3), 1.0)))


def test_a_pair_without_a_closed_form_says_so():
    q, p = standard()[0], Torch(standard()[1])
    assert not has_kl(q, p)
    with pytest.raises(KeyError):
        kl_divergence(q, p)


def test_kl_draws_nothing():
    (q, _), (p, _) = diag(), standard()
    before = torch.get_rng_state()
    kl_divergence(q, p)
    assert torch.equal(torch.get_rng_state(), before)
    assert q.rsample((), Noise()).shape == (3, 2)
