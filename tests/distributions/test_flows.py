"""Transforms: their determinants are those of autograd, their inverses undo them."""

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from tests.theorems import assert_mean
from vaebench.distributions import DiagNormal, Noise
from vaebench.distributions.flows import (
    Coupling,
    Flow,
    Inverse,
    InverseAutoregressive,
    Planar,
    Radial,
    Scaling,
    Transform,
)
from vaebench.errors import Incompatible
from vaebench.nets.conditioner import Conditioner, made, plain

WIDTH = 11
"""Numbers that every maker takes, of which it uses what it needs: 2 D + 1 at D = 5."""

DIMS = [2, 3, 5]
POINTS = 20

Maker = Callable[[Tensor, int], Transform]
"""Parameters `[*, WIDTH]` and D → a transform with batch `[*]`; its nets are the same each time."""


def planar(params: Tensor, dim: int) -> Planar:
    return Planar(params[..., :dim], params[..., dim : 2 * dim], params[..., -1])


def radial(params: Tensor, dim: int) -> Radial:
    alpha, total = F.softplus(params[..., -2:]).unbind(-1)
    return Radial(params[..., :dim], alpha, 2 * total - alpha)


def scaling(params: Tensor, dim: int) -> Scaling:
    return Scaling(params[..., :dim])


def always(make: Callable[[], Conditioner]) -> Conditioner:
    """The same net at every call."""
    with torch.random.fork_rng():
        torch.manual_seed(4)
        return make()


def shuffled(dim: int) -> Tensor:
    return torch.randperm(dim, generator=torch.Generator().manual_seed(dim))


def coupling(params: Tensor, dim: int, *, numbers: int) -> Coupling:
    a = dim // 2
    net = always(partial(plain, a, numbers * (dim - a), [7], WIDTH, "tanh", spread=2.0))
    order = shuffled(dim)
    return Coupling(lambda z: net(z, params), order, order.argsort(), a)


def autoregressive(params: Tensor, dim: int, *, doubled: bool) -> InverseAutoregressive:
    order = shuffled(dim)
    net = always(partial(made, order, 2, [7], WIDTH, "tanh", spread=2.0))
    return InverseAutoregressive(lambda z: net(z, params), order, doubled=doubled)


def inverse(params: Tensor, dim: int, *, of: Maker) -> Inverse:
    return Inverse(of(params, dim))


additive, affine = partial(coupling, numbers=1), partial(coupling, numbers=2)
iaf, iaf_doubled = (partial(autoregressive, doubled=d) for d in (False, True))
ONE_WAY: dict[str, Maker] = {"planar": planar}
FORWARD: dict[str, Maker] = {
    "radial": radial,
    "additive": additive,
    "affine": affine,
    "scaling": scaling,
    "iaf": iaf,
    "iaf doubled": iaf_doubled,
}
BACKWARD: dict[str, Maker] = {f"inverse {k}": partial(inverse, of=m) for k, m in FORWARD.items()}
TWO_WAY = FORWARD | BACKWARD
ALL = ONE_WAY | TWO_WAY


def over(makers: dict[str, Maker]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("make", makers.values(), ids=makers.keys())


def jacobian(f: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """∂ f_i / ∂ z_j of each row of z `[N, D]`, `[N, i, j]`."""
    return torch.autograd.functional.jacobian(lambda z: f(z).sum(0), z).movedim(1, 0)


# -------------------------------------------------------------------------------- every transform
@pytest.mark.parametrize("dim", DIMS)
@over(ALL)
def test_log_det_is_that_of_the_jacobian(make, dim):
    f, z = make(torch.randn(POINTS, WIDTH), dim), 2 * torch.randn(POINTS, dim)
    value, log_det = f(z)
    exact = torch.linalg.slogdet(jacobian(lambda z: f(z)[0], z)).logabsdet
    assert value.shape == (POINTS, dim)
    assert (value - z).abs().max() > 0.1
    assert_close(log_det.expand(POINTS), exact, rtol=0, atol=1e-8)


@pytest.mark.parametrize("dim", DIMS)
@over(TWO_WAY)
def test_the_inverse_undoes_a_step_and_knows_its_log_det(make, dim):
    f, z = make(torch.randn(POINTS, WIDTH), dim), 2 * torch.randn(POINTS, dim)
    value, log_det = f(z)
    back, same = f.inverse(value)
    assert_close(back, z, rtol=0, atol=1e-6)
    assert_close(same, log_det, rtol=0, atol=1e-6)


@pytest.mark.parametrize("dim", DIMS)
@over(ALL)
def test_parameters_of_a_batch_meet_k_values_of_each_entry(make, dim):
    params, z = torch.randn(3, WIDTH), torch.randn(4, 3, dim)
    value, log_det = make(params, dim)(z)
    assert value.shape == (4, 3, dim)
    for b in range(3):
        alone, one = make(params[b], dim)(z[:, b])
        assert_close(value[:, b], alone)
        assert_close(log_det.expand(4, 3)[:, b], one.expand(4))


@pytest.mark.parametrize("dim", DIMS)
@over(ALL)
def test_parameters_of_m_components_meet_every_value(make, dim):
    """As the components of a mixture do: z `[k, B, 1, D]`."""
    params, z = torch.randn(6, WIDTH), torch.randn(4, 3, 1, dim)
    value, log_det = make(params, dim)(z)
    assert value.shape == (4, 3, 6, dim)
    for m in range(6):
        alone, one = make(params[m], dim)(z.squeeze(-2))
        assert_close(value[:, :, m], alone)
        assert_close(log_det.expand(4, 3, 6)[:, :, m], one.expand(4, 3))


@over(ALL)
def test_what_is_invertible_says_so(make):
    f = make(torch.randn(WIDTH), 2)
    assert f.invertible != isinstance(f, Planar)


# ----------------------------------------------------------------------------------------- planar
def golden_planar() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """u, w, b and z of the table."""
    u, w, z = torch.tensor([1.0, 0.5]), torch.tensor([2.0, -1.0]), torch.tensor([0.3, -0.2])
    return u, w, torch.tensor(0.1), z


def test_the_planar_log_det_is_293811_with_the_constrained_u_and_548339_with_the_raw_one():
    u, w, b, z = golden_planar()
    slope = 1 - torch.tanh(w @ z + b).square()
    raw = (1 + slope * (w @ u)).log()
    assert_close(raw, torch.tensor(0.548339), rtol=0, atol=5e-7)
    assert_close(Planar(u, w, b)(z)[1], torch.tensor(0.293811), rtol=0, atol=5e-7)


def test_a_raw_wu_of_minus_3_becomes_minus_951413():
    w = torch.tensor([2.0, -1.0])
    f = Planar(-3 * w / w.square().sum(), w, torch.zeros(()))
    assert_close(w @ f.u, torch.tensor(-0.951413), rtol=0, atol=5e-7)


def test_the_constraint_moves_u_along_w_alone_and_keeps_wu_above_minus_1():
    u, w = 2 * torch.randn(1000, 3), torch.randn(1000, 3)
    f = Planar(u, w, torch.zeros(1000))
    wu = (w * f.u).sum(-1)
    assert (w * u).sum(-1).min() < -10
    assert wu.min() > -1
    assert_close(wu, F.softplus((w * u).sum(-1)) - 1)
    assert_close(torch.linalg.cross(f.u - u, w), torch.zeros(1000, 3), rtol=0, atol=1e-9)


def test_a_planar_flow_whose_constrained_u_is_zero_is_the_identity():
    """softplus(wᵀu) = 1 at wᵀu = log(e - 1)."""
    w, z = torch.randn(POINTS, 3), torch.randn(POINTS, 3)
    u = math.log(math.e - 1) * w / w.square().sum(-1, keepdim=True)
    value, log_det = Planar(u, w, torch.randn(POINTS))(z)
    assert_close(value, z, rtol=0, atol=1e-9)
    assert_close(log_det, torch.zeros(POINTS), rtol=0, atol=1e-9)


def test_a_planar_flow_scores_only_its_own_samples():
    with pytest.raises(Incompatible, match="own samples"):
        planar(torch.randn(WIDTH), 2).inverse(torch.randn(2))


@pytest.mark.parametrize("size", [1e-3, 1e-6, 0.0])
def test_the_planar_log_det_is_right_where_w_is_almost_nothing(size):
    """A w of zero, which an encoder without biases emits for a blank image, makes f a shift."""
    f = Planar(torch.tensor([0.1, 0.2]), torch.tensor([size, 0.0]), torch.tensor(0.2))
    z = torch.tensor([[0.3, -0.2]])
    exact = torch.linalg.slogdet(jacobian(lambda z: f(z)[0], z)).logabsdet
    assert_close(f(z)[1], exact, rtol=0, atol=1e-8)


@pytest.mark.parametrize("raw", [-5.0, -30.0])
def test_the_planar_log_det_of_a_strong_contraction_is_right_in_float32(raw):
    """It is log softplus(wᵀu) where wᵀz + b = 0, though wᵀû itself rounds to -1."""
    u, w = torch.tensor([raw, 0.0], dtype=torch.float32), torch.tensor([1.0, 0.0])
    f = Planar(u, w.float(), torch.zeros((), dtype=torch.float32))
    exact = F.softplus(torch.tensor(raw)).log().float()
    assert_close(f(torch.zeros(2, dtype=torch.float32))[1], exact)


# ----------------------------------------------------------------------------------------- radial
def test_the_radial_determinant_is_1_0983796():
    f = Radial(torch.zeros(2), torch.tensor(1.0), torch.tensor(0.5))
    value, log_det = f(torch.tensor([3.0, 4.0]))
    assert_close(log_det.exp(), torch.tensor(1.0983796), rtol=0, atol=5e-8)
    assert_close(value, torch.tensor([3.25, 13 / 3]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 2.0), (0.5, -0.45), (0.1, 5.0)])
def test_a_radial_flow_is_undone_close_to_its_centre_too(alpha, beta, dtype):
    """But for rounding: r is the small difference of two larger numbers there."""
    f = Radial(torch.zeros(2, dtype=dtype), *torch.tensor([alpha, beta], dtype=dtype))
    z = torch.tensor([[0.6, -0.8]], dtype=dtype) * 10.0 ** torch.arange(-6, 0).view(-1, 1).to(dtype)
    value, log_det = f(z)
    back, same = f.inverse(value)
    rounding = 50 * torch.finfo(dtype).eps
    assert_close(back, z, rtol=rounding, atol=0)
    assert_close(same, log_det, rtol=rounding, atol=rounding)


# --------------------------------------------------------------------------- couplings and scaling
@pytest.mark.parametrize("dim", DIMS)
def test_additive_couplings_keep_volume_and_are_undone_but_for_rounding(dim):
    params, z = torch.randn(3, POINTS, WIDTH), torch.randn(POINTS, dim)
    value = z
    for each in params:
        value, log_det = additive(each, dim)(value)
        assert torch.equal(log_det, torch.zeros(()))
    assert (value - z).abs().max() > 0.1
    for each in params.flip(0):
        value, log_det = additive(each, dim).inverse(value)
        assert torch.equal(log_det, torch.zeros(()))
    assert_close(value, z, rtol=0, atol=1e-13)


@pytest.mark.parametrize("make", [additive, affine], ids=["additive", "affine"])
@pytest.mark.parametrize("dim", DIMS)
def test_a_coupling_leaves_the_first_half_of_its_order_and_moves_the_rest_by_it(make, dim):
    f, z = make(torch.randn(POINTS, WIDTH), dim), torch.randn(POINTS, dim)
    moved = jacobian(lambda z: f(z)[0], z)[:, f.order][:, :, f.order]
    a = f.a
    assert_close(moved[:, :a], torch.eye(dim)[:a].expand(POINTS, a, dim), rtol=0, atol=0)
    assert (moved[:, a:, :a] != 0).all()
    off_diagonal = moved[:, a:, a:] * (1 - torch.eye(dim - a))
    assert_close(off_diagonal, torch.zeros_like(off_diagonal), rtol=0, atol=0)


@pytest.mark.parametrize("sign", [-1, 1])
def test_an_affine_coupling_scales_by_no_more_than_e_squared_and_by_e_to_the_s_where_s_is_small(
    sign,
):
    def log_scale(raw: float) -> Tensor:
        out, order = torch.tensor([0.0, sign * raw]), torch.arange(2)
        return Coupling(lambda z: out, order, order, 1)(torch.randn(2))[1]

    assert_close(log_scale(1e4), torch.tensor(2.0 * sign))
    assert_close(log_scale(1e-5), torch.tensor(1e-5 * sign), rtol=1e-6, atol=0)


# ------------------------------------------------------------------- inverse autoregressive flows
@pytest.mark.parametrize("make", [iaf, iaf_doubled], ids=["sigmoid", "doubled"])
@pytest.mark.parametrize("dim", DIMS)
def test_the_iaf_jacobian_is_triangular_in_its_order_with_the_gates_on_its_diagonal(make, dim):
    f, z = make(torch.randn(POINTS, WIDTH), dim), torch.randn(POINTS, dim)
    gate = f.gain * f.conditioner(z).chunk(2, -1)[1].sigmoid()
    by_position = f.order.argsort()
    found = jacobian(lambda z: f(z)[0], z)[:, by_position][:, :, by_position]
    assert torch.equal(found, found.tril())
    assert (found[:, *torch.tril_indices(dim, dim)] != 0).all()
    assert_close(found.diagonal(dim1=-2, dim2=-1), gate[:, by_position])
    assert_close(f(z)[1], gate.log().sum(-1))


@pytest.mark.parametrize(("doubled", "s"), [(False, 40.0), (True, 0.0)], ids=["sigmoid", "doubled"])
def test_an_iaf_step_whose_gates_are_1_is_the_identity(doubled, s):
    z, m = torch.randn(POINTS, 3), torch.randn(3)
    out = torch.cat([m, torch.full((3,), s)])
    f = InverseAutoregressive(lambda z: out.expand(*z.shape[:-1], 6), shuffled(3), doubled=doubled)
    for value, log_det in (f(z), f.inverse(z)):
        assert_close(value, z, rtol=0, atol=1e-12)
        assert_close(log_det, torch.zeros(POINTS), rtol=0, atol=1e-12)


def linear_step(dim: int) -> tuple[Flow, Tensor]:
    """N(0, diag σ²) after one step with constant gates g and m = A z, and its covariance:
    that of [diag g + diag(1 - g) A] diag σ ε."""
    order, log_scale = shuffled(dim), 0.3 * torch.randn(dim)
    net = made(order, 2, [], 0, "tanh", spread=2.0)
    with torch.no_grad():
        net.layers[0].weight[dim:] = 0
        net.layers[0].bias[dim:] = torch.randn(dim)
    f = InverseAutoregressive(lambda z: net(z, z), order, doubled=False)
    gate = net.layers[0].bias[dim:].detach().sigmoid()
    weight = (net.layers[0].weight * net.layers[0].mask)[:dim].detach()
    root = (gate.diag() + (1 - gate).diag() @ weight) @ log_scale.exp().diag()
    return Flow(DiagNormal(torch.zeros(dim), log_scale), [f]), root @ root.T


@pytest.mark.parametrize("dim", DIMS)
def test_one_linear_iaf_step_makes_a_diagonal_gaussian_a_full_one(dim):
    flow, covariance = linear_step(dim)
    assert (covariance != 0).all()
    full = torch.distributions.MultivariateNormal(torch.zeros(dim), covariance)
    z = flow.sample((40_000,))
    assert_close(flow.log_prob(z), full.log_prob(z))
    assert_mean(z.unsqueeze(-1) * z.unsqueeze(-2), covariance)


# ------------------------------------------------------------------------------------------- flows
def test_a_flow_without_transforms_is_its_base():
    base = DiagNormal(torch.randn(3, 2), torch.randn(3, 2))
    value, score = Flow(base, []).rsample_and_log_prob((5,), Noise())
    assert_close(score(), base.log_prob(value))
    assert_close(Flow(base, []).log_prob(value), base.log_prob(value))
    assert_close(Flow(base, []).mean, base.mean)


@pytest.mark.parametrize("dim", DIMS)
def test_a_scaled_gaussian_is_the_gaussian_with_that_scale(dim):
    loc, log_scale, s = torch.randn(3, 4, dim)
    flow = Flow(DiagNormal(loc, log_scale), [Scaling(s)])
    expected = DiagNormal(loc * s.exp(), log_scale + s)
    value, score = flow.rsample_and_log_prob((5,), Noise())
    assert_close(score(), expected.log_prob(value))
    assert_close(flow.log_prob(value), expected.log_prob(value))
    assert_close(flow.mean, expected.mean)


def test_transforms_are_applied_first_to_last():
    base, s = DiagNormal(torch.zeros(2), torch.zeros(2)), torch.ones(2)
    shift = Coupling(lambda z: torch.ones_like(z), torch.arange(2), torch.arange(2), 1)
    seed = torch.Generator().manual_seed(3)
    eps = base.sample((5,), Noise(seed))
    value = Flow(base, [shift, Scaling(s)]).sample((5,), Noise(seed.manual_seed(3)))
    assert_close(value, (eps + torch.tensor([0.0, 1.0])) * s.exp())


def test_the_mean_of_a_flow_draws_nothing():
    flow = Flow(DiagNormal(torch.randn(3, 2), torch.zeros(3, 2)), [radial(torch.randn(WIDTH), 2)])
    before = torch.get_rng_state()
    assert torch.equal(flow.mean, flow.mean)
    assert torch.equal(torch.get_rng_state(), before)
