"""Posterior heads that are flows: own samples, densities and what the encoder's numbers do."""

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.theorems import Supplied, assert_mean, in_float64
from vaebench.data import Field
from vaebench.distributions import DiagNormal, Distribution, FullNormal, Mixture, Noise
from vaebench.distributions.flows import Flow
from vaebench.errors import Incompatible
from vaebench.heads.flows import IAF, NICE, FlowHead, PlanarFlow, RadialFlow, RealNVP
from vaebench.heads.priors import Vamp

__all__ = ["in_float64"]

DRAWS = 40_000
NETS = {"hidden": [7], "context": 4, "activation": "tanh"}
ONE_WAY = {"planar": partial(PlanarFlow, K=3)}
OF_ANY_WIDTH = {
    "radial": partial(RadialFlow, K=3),
    "iaf": partial(IAF, K=3, **NETS),
    "iaf doubled": partial(IAF, K=3, gate="doubled", **NETS),
}
COUPLINGS = {
    "nice": partial(NICE, K=3, **NETS),
    "nice reversed": partial(NICE, K=3, permute="reverse", **NETS),
    "realnvp": partial(RealNVP, K=2, **NETS),
}
TWO_WAY = OF_ANY_WIDTH | COUPLINGS
ALL = ONE_WAY | TWO_WAY

Kind = Callable[..., FlowHead]


def over(kinds: dict[str, Kind]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("kind", kinds.values(), ids=kinds.keys())


def wherever(kinds: dict[str, Kind]) -> pytest.MarkDecorator:
    """Each of these at all widths that it can have."""
    least = {name: 2 if name in COUPLINGS else 1 for name in kinds}
    cases = [(k, kind, dim) for k, kind in kinds.items() for dim in (1, 2, 5) if dim >= least[k]]
    return pytest.mark.parametrize(
        ("kind", "dim"), [pytest.param(kind, dim, id=f"{k}-{dim}") for k, kind, dim in cases]
    )


def bent_head(kind: Kind, dim: int) -> FlowHead:
    """Nets far from where they start, near the identity."""
    head = kind(Field((dim,)))
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(0.4 * torch.randn(parameter.shape))
    return head


def emitted(head: FlowHead, *batch: int) -> Tensor:
    """What an encoder might emit, and more of what a head takes a small share of."""
    params = torch.randn(*batch, *head.param_shape)
    params[..., : 2 * head.dim] *= 0.3
    if head.sizes and isinstance(head, PlanarFlow | RadialFlow):
        each = params[..., 2 * head.dim :].unflatten(-1, (len(head.sizes), -1))
        each[..., : head.dim] *= 10 if isinstance(head, PlanarFlow) else 1
        each[..., -1] *= 20 if isinstance(head, RadialFlow) else 1
    return params


def bent(kind: Kind, dim: int, *batch: int) -> Flow:
    head = bent_head(kind, dim)
    with torch.no_grad():
        return head(emitted(head, *batch))


def lighter(q: Distribution) -> FullNormal:
    """A Gaussian near the mean of q, with lighter tails."""
    z = q.sample((5000,))
    return FullNormal(z.mean(0), 0.25 * torch.linalg.cholesky(z.T.cov()))


def of_the_plane(kind: Kind) -> list[Flow]:
    """Three densities of two coordinates."""
    return [bent(kind, 2) for _ in range(3)]


def grid(reach: float, step: float) -> Tensor:
    axis = torch.arange(-reach, reach, step)
    return torch.cartesian_prod(axis, axis)


# --------------------------------------------------------------------------------------- densities
@over(ALL)
def test_the_flows_of_this_file_bend(kind):
    """No affine map of the noise explains their samples."""
    eps = torch.randn(2000, 2)
    design = torch.cat([eps, torch.ones(2000, 1)], -1)

    def unexplained(q: Flow) -> Tensor:
        z = q.rsample((2000,), Supplied(eps))
        left = z - design @ torch.linalg.lstsq(design, z).solution
        return (left.var(0) / z.var(0)).max()

    assert max(unexplained(q) for q in of_the_plane(kind)) > 0.005


@wherever(TWO_WAY)
def test_an_own_draw_is_scored_as_log_prob_scores_it(kind, dim):
    q = bent(kind, dim, 3)
    for shape in ((), (4,), (4, 2)):
        value, score = q.rsample_and_log_prob(shape, Noise())
        assert value.shape == (*shape, 3, dim)
        assert score().shape == (*shape, 3)
        assert_close(score(), q.log_prob(value), rtol=0, atol=1e-8)


@over(TWO_WAY)
def test_an_own_draw_has_the_total_derivative_of_its_log_prob(kind):
    head = bent_head(kind, 3)
    params = emitted(head, 2).requires_grad_()
    q = head(params)
    value, score = q.rsample_and_log_prob((4,), Noise())
    own, foreign = (
        torch.autograd.grad(log_q.sum(), params, retain_graph=True)[0]
        for log_q in (score(), q.log_prob(value))
    )
    assert_close(own, foreign, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dim", [2, 3])
@over(ALL)
def test_the_weight_of_a_lighter_density_averages_to_one_over_own_samples(kind, dim):
    """E_q[r / q] = 1, which fails where draws and density disagree."""
    q = bent(kind, dim)
    value, score = q.rsample_and_log_prob((DRAWS,), Noise())
    assert_mean((lighter(q).log_prob(value) - score()).exp(), 1.0)


@over(ALL)
def test_the_weight_of_a_lighter_density_integrates_to_one_over_the_noise(kind):
    """The same without chance; it also fails where f covers a part of the plane twice or never."""
    step, eps = 0.04, grid(8, 0.04)
    for q in of_the_plane(kind):
        value, score = q.rsample_and_log_prob((len(eps),), Supplied(eps))
        noise = -0.5 * eps.square().sum(-1) - math.log(2 * math.pi)
        integral = (noise + lighter(q).log_prob(value) - score()).exp().sum() * step**2
        assert_close(integral, torch.tensor(1.0), rtol=0, atol=1e-3)


@over(TWO_WAY)
def test_densities_of_the_plane_integrate_to_one(kind):
    """On a grid as wide as the samples, in the axes of their covariance."""
    step, points = 0.05, grid(14, 0.05)
    for q in of_the_plane(kind):
        z = q.sample((5000,))
        axes = torch.linalg.cholesky(z.T.cov())
        log_prob = q.log_prob(z.mean(0) + points @ axes.T)
        integral = log_prob.exp().sum() * step**2 * axes.diagonal().prod()
        assert_close(integral, torch.tensor(1.0), rtol=0, atol=1e-3)


# -------------------------------------------------------------------------------------------- mean
@over(ALL)
def test_the_mean_is_off_by_no_more_than_the_noise_of_8_antithetic_pairs(kind):
    q, eps = bent(kind, 2, 3), torch.randn(DRAWS, 3, 2)
    z = (q.rsample((DRAWS,), Supplied(eps)) + q.rsample((DRAWS,), Supplied(-eps))) / 2
    assert z.std(0).max() > 0.01
    assert_mean(z, q.mean, z.std(0) / math.sqrt(8))


@over(ALL)
def test_equal_entries_of_a_batch_have_equal_means(kind):
    head = bent_head(kind, 2)
    params = emitted(head, 2)[[0, 1, 0]]
    mean = head(params).mean
    assert_close(mean[2], mean[0], rtol=0, atol=1e-12)
    assert (mean[1] - mean[0]).abs().min() > 1e-3
    assert_close(head(params.expand(4, 3, -1)).mean, mean.expand(4, 3, 2), rtol=0, atol=1e-12)


# ------------------------------------------------------------------------- what the encoder says
@wherever(ALL)
def test_each_number_of_the_encoder_moves_the_samples(kind, dim):
    head = bent_head(kind, dim)
    params = emitted(head, 3).requires_grad_()
    value = head(params).rsample((4,), Noise())
    (gradient,) = torch.autograd.grad((value * torch.randn(4, 3, dim)).sum(), params)
    assert (gradient != 0).all()


@over({k: ALL[k] for k in ("nice", "realnvp", "iaf", "iaf doubled")})
def test_the_nets_of_a_flow_learn_from_its_samples(kind):
    head = bent_head(kind, 3)
    loss = (head(emitted(head, 3)).rsample((4,), Noise()) * torch.randn(4, 3, 3)).sum()
    gradients = torch.autograd.grad(loss, list(head.parameters()))
    assert all((g != 0).any() for g in gradients)


@pytest.mark.parametrize("scale", [1.0, 30.0, 1000.0])
def test_beta_is_never_below_minus_alpha_in_a_radial_head(scale):
    head = RadialFlow(Field((2,)), K=3)
    for f in head(scale * torch.randn(1000, *head.param_shape)).transforms:
        assert (f.beta >= -f.alpha).all()
        assert (f.beta < 0).any()


@pytest.mark.parametrize("kind", [COUPLINGS["nice"], COUPLINGS["nice reversed"]])
@pytest.mark.parametrize("dim", [2, 3, 5])
def test_nice_changes_volume_by_its_scaling_alone(kind, dim):
    head = bent_head(kind, dim)
    params = emitted(head)
    q = head(params)
    eps = torch.randn(4, dim)
    own, base = (d.rsample_and_log_prob((4,), Supplied(eps))[1]() for d in (q, q.base))
    assert_close(own, base - 0.1 * params[-dim:].sum())


@pytest.mark.parametrize("kind", [NICE, RealNVP])
def test_the_halves_take_turns(kind):
    """After two reversed couplings each coordinate depends on all, but for those of the first half,
    which met the second one before it moved."""
    head = bent_head(partial(kind, K=2, permute="reverse", **NETS), 4)
    f, g = head(emitted(head)).transforms[:2]
    z = torch.randn(4)
    first, second = (
        torch.autograd.functional.jacobian(lambda z, f=f: f(z)[0], z) != 0 for f in (f, g)
    )
    low, eye = torch.arange(4) < 2, torch.eye(4, dtype=torch.bool)
    assert torch.equal(first, eye | (~low[:, None] & low))
    assert torch.equal(second, eye | (low[:, None] & ~low))


@over({k: ALL[k] for k in ("iaf", "iaf doubled")})
def test_iaf_steps_take_the_coordinates_in_turns_from_either_end(kind):
    head = bent_head(kind, 4)
    lower = torch.ones(4, 4).tril() > 0
    for f, seen in zip(head(emitted(head)).transforms, (lower, lower.T, lower), strict=True):
        found = torch.autograd.functional.jacobian(lambda z, f=f: f(z)[0], torch.randn(4))
        assert torch.equal(found != 0, seen)


# ---------------------------------------------------------------------------------- how heads start
def after_the_base(head: FlowHead, rest: Tensor) -> tuple[Tensor, Tensor]:
    """How far a flow with these numbers moves N(0, I), and its log-determinants, `[N]` each."""
    q = head(torch.cat([torch.zeros(len(rest), 2 * head.dim), rest], -1))
    eps = torch.randn(len(rest), head.dim)
    z, score = q.rsample_and_log_prob((), Supplied(eps))
    return (z - eps).norm(dim=-1), q.base.log_prob(eps) - score()


@over(ALL)
def test_a_flow_of_no_transforms_is_the_diagonal_gaussian(kind):
    """NICE's has one more scale, that of its scaling."""
    head, z = kind(Field((2,)), K=0), torch.randn(4, 3, 2)
    params = emitted(head, 3)
    loc, log_scale, *rest = params.split(2, -1)
    s = 0.1 * rest[0] if rest else torch.zeros(())
    q, expected = head(params), DiagNormal(loc * s.exp(), log_scale + s)
    assert len(rest) == (head.__class__ is NICE)
    assert_close(q.log_prob(z), expected.log_prob(z))
    assert_close(q.mean, expected.mean)


@over({k: ALL[k] for k in ("planar", "radial")})
def test_an_encoder_that_says_nothing_leaves_the_base_alone(kind):
    head = kind(Field((2,)))
    for out in after_the_base(head, torch.zeros(50, sum(head.sizes))):
        assert_close(out, torch.zeros(50), rtol=0, atol=1e-12)


def test_a_radial_head_without_b_is_the_identity_wherever_its_centre_is():
    head = RadialFlow(Field((2,)), K=3)
    rest = torch.randn(50, 3, 4)
    rest[..., -1] = 0
    for out in after_the_base(head, rest.flatten(1)):
        assert_close(out, torch.zeros(50), rtol=0, atol=1e-12)


def test_a_planar_head_without_u_is_the_identity_whatever_its_direction():
    head = PlanarFlow(Field((2,)), K=3)
    rest = torch.randn(50, 3, 5)
    rest[..., :2] = 0
    for out in after_the_base(head, rest.flatten(1)):
        assert_close(out, torch.zeros(50), rtol=0, atol=1e-6)


@over({k: ALL[k] for k in ("nice", "realnvp")})
def test_couplings_whose_nets_say_nothing_are_the_identity(kind):
    head = kind(Field((2,)))
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.zero_()
    for out in after_the_base(head, torch.zeros(50, sum(head.sizes))):
        assert_close(out, torch.zeros(50), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("kind", "gate"), [("iaf", 1 / (1 + math.exp(-2))), ("iaf doubled", 1.0)])
def test_the_gates_of_an_iaf_whose_weights_are_zero_are_open(kind, gate):
    head = ALL[kind](Field((2,)))
    with torch.no_grad():
        for net in head.nets:
            for layer in (*net.layers, *net.contexts):
                layer.weight.zero_()
    _, log_det = after_the_base(head, torch.randn(50, sum(head.sizes)))
    assert_close(log_det, torch.full((50,), 3 * 2 * math.log(gate)), rtol=0, atol=1e-12)


# ----------------------------------------------------------------------------- who scores, and what
@over(ALL)
def test_all_but_planar_flows_score_what_others_drew(kind):
    q = bent(kind, 2, 3)
    assert q.scores_given == (kind is not ALL["planar"])
    assert q.has_rsample
    if q.scores_given:
        assert q.log_prob(torch.randn(4, 3, 2)).isfinite().all()
    else:
        with pytest.raises(Incompatible, match="own samples"):
            q.log_prob(torch.randn(4, 3, 2))


def vamp(kind: Kind) -> Mixture:
    """The prior of a posterior whose numbers are a linear function of x."""
    head, observed = bent_head(kind, 2), Field((3,))
    offset, slope = emitted(head), 0.3 * torch.randn(3, *head.param_shape)
    with torch.no_grad():
        return Vamp(
            Field((2,)), lambda x: head(offset + x @ slope), observed, components=4, init_scale=1.0
        )()


def test_a_prior_made_of_planar_flows_could_not_be_scored_and_is_refused():
    with pytest.raises(Incompatible, match="own samples"):
        vamp(ALL["planar"])


@over(TWO_WAY)
def test_a_mixture_of_two_way_flows_scores_the_average_density_and_draws_from_it(kind):
    p = vamp(kind)
    assert p.scores_given
    value = p.sample((DRAWS, 1))
    each = torch.stack([p.conditional(u).log_prob(value) for u in p.inputs])
    assert_close(p.log_prob(value), each.logsumexp(0) - math.log(4))
    assert_mean((lighter(p).log_prob(value) - p.log_prob(value)).exp(), 1.0)


# ---------------------------------------------------------------------------------------- refusals
@over(ALL)
def test_a_flow_of_fewer_than_no_transforms_is_refused(kind):
    with pytest.raises(Incompatible, match=r"posterior\.K=-1"):
        kind(Field((2,)), K=-1)


@over({k: ALL[k] for k in ("nice", "realnvp", "iaf")})
def test_nets_without_a_context_are_refused(kind):
    with pytest.raises(Incompatible, match=r"posterior\.context"):
        kind(Field((2,)), context=0)


@over(COUPLINGS)
def test_a_coupling_of_one_coordinate_is_refused(kind):
    with pytest.raises(Incompatible, match=r"model\.latent_dim=1"):
        kind(Field((1,)))
