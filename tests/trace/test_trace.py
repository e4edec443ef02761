"""A trace draws or scores, once a name, always over [k, B]."""

import pytest
import torch
from torch.testing import assert_close

from vaebench.distributions import BernoulliLogits, DiagNormal, Noise, StandardNormal
from vaebench.errors import Incompatible
from vaebench.trace import Trace

K, B, D = 3, 2, 4


def per_example() -> DiagNormal:
    return DiagNormal(torch.randn(B, D), torch.randn(B, D))


class WronglySummed(StandardNormal):
    """A density that was summed over the batch as well as over the event."""

    def log_prob(self, value):
        return super().log_prob(value).sum(-1)


@pytest.mark.parametrize(
    "dist",
    [
        lambda: StandardNormal(torch.zeros(D)),
        per_example,
        lambda: DiagNormal(torch.randn(K, B, D), torch.zeros(D)),
    ],
    ids=["batch []", "batch [B]", "batch [k, B]"],
)
def test_a_draw_gets_the_leading_dimensions_that_it_misses(dist):
    trace = Trace(K, B)
    value = trace("z", dist())
    assert value.shape == (K, B, D)
    assert trace["z"].log_prob.shape == (K, B)
    assert len(value.flatten(0, 1).unique(dim=0)) == K * B


def test_a_given_value_is_scored_and_not_drawn():
    dist, given = per_example(), torch.randn(B, D)
    before = torch.get_rng_state()
    trace = Trace(K, B, {"z": given})
    assert trace("z", dist) is given
    assert trace["z"].given
    assert trace.drawn == []
    assert_close(trace["z"].log_prob, dist.log_prob(given).expand(K, B))
    assert torch.equal(torch.get_rng_state(), before)


def test_sites_keep_the_order_of_their_visits():
    trace = Trace(K, B, {"x": torch.randn(B, D)})
    for name in ("z", "x", "h"):
        trace(name, per_example())
    assert list(trace.sites) == list(trace.values) == ["z", "x", "h"]
    assert [site.name for site in trace.drawn] == ["z", "h"]
    assert "h" in trace
    assert "y" not in trace


def test_a_name_is_visited_only_once():
    trace = Trace(K, B)
    trace("z", per_example())
    with pytest.raises(Incompatible, match="'z' is visited twice"):
        trace("z", per_example())


@pytest.mark.parametrize("given", [{}, {"z": torch.zeros(K, B, D)}], ids=["drawn", "given"])
def test_a_density_summed_over_the_batch_is_refused(given):
    """[k] would broadcast to a [k, B] with k = B, and to any with k = 1."""
    trace = Trace(K, B, given)
    trace("z", WronglySummed(torch.zeros(D)))
    with pytest.raises(Incompatible, match=r"'z' scores to shape \[3\].*\[3, 2\]"):
        _ = trace["z"].log_prob


@pytest.mark.parametrize(
    "shape", [(), (1,), (3,), (3, 1), (3, 1, 2), (2, 3), (4, 2), (1, 3, 2)], ids=str
)
def test_a_term_that_is_not_k_by_b_is_refused(shape):
    """[], [1] and [k, 1] would broadcast, but are what a sum over the batch leaves."""
    trace = Trace(K, B)
    trace("z", per_example())
    with pytest.raises(Incompatible):
        trace["z"].spread(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(2,), (1, 2), (3, 2)], ids=str)
def test_a_term_that_broadcasts_to_k_by_b_is_spread(shape):
    trace = Trace(K, B)
    trace("z", per_example())
    term = torch.randn(shape)
    assert_close(trace["z"].spread(term), term.expand(K, B))


def test_without_reparameterization_a_draw_is_a_constant_with_a_score():
    loc = torch.zeros(B, D, requires_grad=True)
    trace = Trace(K, B, reparam=False)
    value = trace("z", DiagNormal(loc, torch.zeros(D)))
    assert not value.requires_grad
    (score,) = torch.autograd.grad(trace["z"].log_prob.sum(), loc)
    assert_close(score, value.sum(0))


def test_with_reparameterization_a_draw_has_a_path_where_there_is_one():
    loc = torch.zeros(B, D, requires_grad=True)
    trace = Trace(K, B)
    assert trace("z", DiagNormal(loc, torch.zeros(D))).requires_grad
    assert not trace("b", BernoulliLogits(loc)).requires_grad


def test_all_draws_come_from_the_noise_of_the_trace():
    def run(seed: int) -> torch.Tensor:
        trace = Trace(K, B, noise=Noise(torch.Generator().manual_seed(seed)))
        trace("z", StandardNormal(torch.zeros(D)))
        return torch.cat([trace["z"].value, trace("b", BernoulliLogits(torch.zeros(D)))], -1)

    before = torch.get_rng_state()
    assert torch.equal(run(1), run(1))
    assert not torch.equal(run(1), run(2))
    assert torch.equal(torch.get_rng_state(), before)
