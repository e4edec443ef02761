"""Regularizers of the aggregate posterior: total correlation, a discriminator, moments, and MMD."""

from __future__ import annotations

import itertools
import math
from types import SimpleNamespace

import pytest
import torch
from torch.testing import assert_close

from tests.theorems import STEP, assert_mean, refused
from vaebench.distributions import (
    BernoulliLogits,
    Delta,
    DiagNormal,
    FullNormal,
    Noise,
    StandardNormal,
)
from vaebench.objectives.regularizers import DIP, MMD, Discriminator, TotalCorrelation
from vaebench.trace import Evidence, Trace

BITS = BernoulliLogits(torch.zeros(2, 3))


def evidence_of(q, k=1, seed=0):
    """Samples of a given q(z | x) of a batch, and p(z) = N(0, I)."""
    noise = Noise(torch.Generator().manual_seed(seed))
    recognised = Trace(k, q.batch_shape[0], noise=noise)
    recognised("z", q)
    p = Trace(k, q.batch_shape[0], recognised.values, noise=noise)
    p("z", StandardNormal(torch.zeros(q.event_shape)))
    return Evidence(p, recognised, ("z",))


def outlined(q, size=0):
    """What a regularizer looks at of a model of N examples."""
    size = size or q.batch_shape[0]
    spec = SimpleNamespace(size=size)
    return SimpleNamespace(spec=spec, q=[q], latents=("z",), refined=False)


def scattered(n, d, spread=1.0):
    generator = torch.Generator().manual_seed(n + d)
    loc = spread * torch.randn(n, d, generator=generator)
    return DiagNormal(loc, 0.3 * torch.randn(n, d, generator=generator) - 0.5)


def total(q, size=0, minibatch="stratified", **weights):
    weights = {"alpha": 1.0, "beta": 1.0, "gamma": 1.0} | weights
    return TotalCorrelation(outlined(q, size), minibatch=minibatch, **weights)


# ------------------------------------------------------------------------------ total correlation
def mixture(q, dims):
    """q(z) of some dimensions, from torch's own mixture."""
    normal = torch.distributions.Normal(q.loc[:, dims], q.log_scale[:, dims].exp())
    each = torch.distributions.Independent(normal, 1)
    weights = torch.distributions.Categorical(torch.ones(len(q.loc)))
    return torch.distributions.MixtureSameFamily(weights, each)


def test_a_batch_of_all_examples_gives_the_exact_parts_and_their_sum_is_the_kl():
    q = scattered(5, 3)
    evidence = evidence_of(q, k=4)
    parts, z = total(q).parts(evidence), evidence.q["z"].value
    joint = mixture(q, [0, 1, 2]).log_prob(z)
    product = sum(mixture(q, [d]).log_prob(z[..., d : d + 1]) for d in range(3))
    assert_close(parts["mutual_information"], q.log_prob(z) - joint)
    assert_close(parts["total_correlation"], joint - product)
    assert_close(parts["dimension_kl"], product - evidence.p["z"].log_prob)
    assert_close(sum(parts.values()), q.log_prob(z) - evidence.p["z"].log_prob)


@pytest.mark.parametrize(
    ("places", "shared"),
    [(((-9, -9), (9, 9)), math.log(2)), (((-9, -9), (-9, 9), (9, -9), (9, 9)), 0.0)],
)
def test_of_codes_far_apart_each_part_has_its_closed_form(places, shared):
    """On a diagonal the second dimension repeats the first; on a grid they are independent."""
    q = DiagNormal(torch.tensor(places, dtype=torch.get_default_dtype()), torch.zeros(2) - 0.7)
    parts = total(q).parts(evidence_of(q, k=4000))
    information = torch.full_like(parts["mutual_information"], math.log(len(places)))
    assert_close(parts["mutual_information"], information)
    assert_close(parts["total_correlation"], torch.full_like(information, shared))
    variance = math.exp(-1.4)
    entropy = math.log(2) + 0.5 * (1 + math.log(2 * math.pi * variance))
    cross = 0.5 * (math.log(2 * math.pi) + variance + 81)
    assert_mean(parts["dimension_kl"].mean(1), 2 * (cross - entropy))


def test_the_cost_is_the_weighted_sum_and_nothing_at_weights_of_one():
    q = scattered(6, 3)
    evidence = evidence_of(q, k=2)
    parts = {name: part.mean() for name, part in total(q).parts(evidence).items()}
    cost, told = total(q, alpha=0.5, beta=4.0, gamma=2.0).seen(evidence, STEP)
    means = [*parts.values()]
    assert_close(cost, -0.5 * means[0] + 3 * means[1] + means[2])
    assert_close({name: value.mean() for name, value in told.items()}, parts)
    assert total(q).cost(evidence, STEP) == 0


@pytest.mark.parametrize("batch", [2, 3, 5])
def test_stratified_weights_are_unbiased_by_brute_force(batch):
    """The mean over all batches that hold the z's own example is the mean over the data."""
    q, own = scattered(6, 2), 1
    z = q.loc[own] + 0.3
    density = q.log_prob(z).exp()
    found = []
    for others in itertools.combinations([i for i in range(6) if i != own], batch - 1):
        w = total(q, size=6).log_weights(batch, z).exp()[0]
        found.append((w * density[[own, *others]]).sum())
    assert_close(torch.stack(found).mean(), density.mean())


def test_weighted_densities_are_those_of_the_paper():
    """log 1/(N M) Σ_m q(z_n | x_m), and the same of each dimension."""
    q, size = scattered(4, 2), 50
    evidence = evidence_of(q)
    z = evidence.q["z"].value[0]
    each = q.factors().log_prob(z.unsqueeze(1))
    expected = each.sum(-1).logsumexp(1) - each.logsumexp(1).sum(1) + math.log(size * 4)
    parts = total(q, size, "weighted").parts(evidence)
    assert_close(parts["total_correlation"][0], expected)


@pytest.mark.parametrize(
    "q",
    [FullNormal(torch.zeros(2, 3), torch.eye(3)), Delta(torch.zeros(2, 3)), BITS],
    ids=lambda q: type(q).__name__,
)
def test_codes_without_a_density_by_dimension_are_refused(q):
    with refused("posterior", "objective", match="to be a product of densities"):
        total(q)


def test_codes_that_depend_on_other_draws_or_are_moved_are_refused():
    q = DiagNormal(torch.zeros(3, 2, 4), torch.zeros(4))
    with refused("model", "objective", match="depends on another latent's draw"):
        total(q, size=5)
    moved = SimpleNamespace(**vars(outlined(scattered(3, 2))) | {"refined": True})
    with refused("refine", "objective", match="are moved"):
        TotalCorrelation(moved, alpha=1.0, beta=2.0, gamma=1.0, minibatch="weighted")


# ---------------------------------------------------------------------------------- discriminator
def discriminator(q, gamma=3.0, hidden=(8,)):
    torch.manual_seed(0)
    return Discriminator(outlined(q), gamma=gamma, hidden=hidden, lr=1e-3)


def correlated(n, rho):
    """z ~ N(0, [[1, ρ], [ρ, 1]]) as points, with a gradient."""
    eps = torch.randn(n, 2)
    z = torch.stack([eps[:, 0], rho * eps[:, 0] + math.sqrt(1 - rho**2) * eps[:, 1]], 1)
    return Delta(z.requires_grad_())


def test_codes_see_a_constant_discriminator_and_it_sees_constant_codes():
    q = correlated(12, 0.7)
    d = discriminator(q)
    evidence = evidence_of(q)
    cost, told = d.seen(evidence, STEP)
    of_codes, *of_net = torch.autograd.grad(cost, [q.value, *d.net.parameters()])
    again = d.net(q.value).mean()
    assert_close(cost, 3.0 * again)
    assert_close(told["total_correlation"], again.detach())
    assert_close(of_codes, 3.0 * torch.autograd.grad(again, q.value)[0])
    order = Noise(torch.Generator().manual_seed(0)).uniform((1, 12, 2), q.value).argsort(1)
    z = q.value.detach()
    permuted = torch.stack([z[order[0, :, j], j] for j in range(2)], 1)
    logits = torch.cat([d.net(z), d.net(permuted)]).squeeze(1)
    labels = torch.cat([torch.ones(12), torch.zeros(12)])
    own = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)
    expected = torch.autograd.grad(own, [*d.net.parameters()])
    assert_close(tuple(of_net), expected)
    right = ((logits > 0).to(labels) == labels).to(labels).mean()
    assert_close(told["discriminator"], right)


def test_a_trained_one_tells_the_total_correlation_of_gaussians():
    """-½ log(1 - ρ²)."""
    torch.manual_seed(1)
    d = discriminator(correlated(2, 0.8), hidden=(32, 32))
    optimizer = torch.optim.Adam(d.parameters(), 3e-3)
    for step in range(300):
        cost, _ = d.seen(evidence_of(correlated(200, 0.8), seed=step), STEP)
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
    _, told = d.seen(evidence_of(correlated(20_000, 0.8)), STEP)
    expected = -0.5 * math.log(1 - 0.64)
    assert told["total_correlation"].item() == pytest.approx(expected, abs=0.08)


def test_it_has_an_optimizer_group_of_its_own():
    d = discriminator(correlated(2, 0.5))
    (group,) = d.groups()
    assert group["lr"] == 1e-3
    assert [*map(id, group["params"])] == [*map(id, d.net.parameters())]


# -------------------------------------------------------------------------------------------- DIP
def test_the_covariance_of_codes_is_that_of_means_and_what_each_adds():
    q = scattered(7, 3)
    of_means = torch.cov(q.loc.T, correction=0)
    assert_close(DIP(outlined(q), kind="I", beside=1, diagonal=1).covariance([q]), of_means)
    dip = DIP(outlined(q), kind="II", beside=2.0, diagonal=5.0)
    c = dip.covariance([q])
    assert_close(c, of_means + (2 * q.log_scale).exp().mean(0).diag())
    cost, told = dip.seen(evidence_of(q), STEP)
    off = (c - c.diagonal().diag()).square().sum()
    assert_close(cost, 2.0 * off + 5.0 * (c.diagonal() - 1).square().sum())
    assert_close(told["covariance"], off)


def test_a_full_gaussian_adds_its_covariance_and_a_point_nothing():
    loc = torch.randn(4, 2)
    tril = torch.tensor([[1.0, 0.0], [0.5, 2.0]]).expand(4, 2, 2)
    q, of_means = FullNormal(loc, tril), torch.cov(loc.T, correction=0)
    dip = DIP(outlined(q), kind="II", beside=1, diagonal=1)
    assert_close(dip.covariance([q]), of_means + tril[0] @ tril[0].T)
    assert_close(dip.covariance([Delta(loc)]), of_means)


def test_it_is_the_covariance_of_samples():
    q = scattered(6, 2)
    z = evidence_of(q, k=40_000).q["z"].value
    centred = z - q.loc.mean(0)
    c = DIP(outlined(q), kind="II", beside=1, diagonal=1).covariance([q])
    assert_mean((centred.unsqueeze(-1) * centred.unsqueeze(-2)).mean(1), c)


def test_what_has_no_such_moments_is_refused():
    with refused("posterior", "objective", match="mean and covariance"):
        DIP(outlined(BITS), kind="I", beside=1.0, diagonal=1.0)


# -------------------------------------------------------------------------------------------- MMD
def mmd(q, kernel="rbf", weight=1.0, scale=0.7):
    return MMD(outlined(q), weight=weight, kernel=kernel, scale=scale)


def expected_kernel(shift, variance, width):
    """E exp(-‖a - b‖² / (2 h)) of a - b ~ N(shift, variance I)."""
    spread = width / (width + variance)
    return (
        torch.sqrt(spread) ** len(shift) * (-shift.square().sum() / (2 * (width + variance))).exp()
    )


def test_it_is_the_discrepancy_of_two_gaussians_in_closed_form():
    """Of one q for all examples, so that codes are independent draws of it."""
    loc, log_scale = torch.tensor([0.8, -0.3]), torch.tensor([-0.5, -0.5])
    q = DiagNormal(loc.expand(10, 2), log_scale)
    found = mmd(q)
    evidence = evidence_of(q, k=4000)
    prior = torch.randn(4000, 10, 2)
    h, s2 = torch.tensor(2 * 0.7), log_scale[0].mul(2).exp()
    own, others = (
        expected_kernel(0 * loc, 2 * s2, h),
        expected_kernel(0 * loc, torch.tensor(2.0), h),
    )
    across = expected_kernel(loc, 1 + s2, h)
    assert_mean(found.between(evidence.q["z"].value, prior), own + others - 2 * across)
    cost, told = mmd(q, weight=50.0).seen(evidence, STEP)
    assert_close(cost, 50 * told["mmd"])


@pytest.mark.parametrize("kernel", ["rbf", "imq"])
def test_it_is_0_in_the_mean_where_codes_are_draws_of_the_prior_and_the_sum_over_pairs(kernel):
    q = DiagNormal(torch.zeros(6, 3), torch.zeros(3))
    found = mmd(q, kernel)
    a, b = torch.randn(4000, 6, 3), torch.randn(4000, 6, 3)
    assert_mean(found.between(a, b), 0.0)

    def k(x, y):
        squared, c = (x - y).square().sum(), 2 * 0.7 * 3
        return (-squared / c).exp() if kernel == "rbf" else c / (c + squared)

    pairs = [*itertools.permutations(range(6), 2)]
    one, two = a[0], b[0]
    sums = [k(one[i], one[j]) + k(two[i], two[j]) - 2 * k(one[i], two[j]) for i, j in pairs]
    assert_close(found.between(one, two), torch.stack(sums).mean())


# ----------------------------------------------------------------------------------- what is asked
def test_numbers_that_mean_nothing_are_refused():
    q = scattered(3, 2)
    for make in (
        lambda: total(q, beta=-1.0),
        lambda: DIP(outlined(q), kind="I", beside=-1.0, diagonal=1.0),
        lambda: mmd(q, weight=-1.0),
        lambda: discriminator(q, gamma=-1.0),
    ):
        with refused(match="must not be negative"):
            make()
    for make in (
        lambda: mmd(q, scale=0.0),
        lambda: Discriminator(outlined(q), gamma=1, hidden=[2], lr=0),
    ):
        with refused(match="must be positive"):
            make()
