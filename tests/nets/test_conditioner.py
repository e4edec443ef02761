"""Small nets of a value and a context: who sees whom."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.theorems import in_float64
from vaebench.errors import Incompatible
from vaebench.nets.conditioner import Conditioner, made, made_masks, plain

__all__ = ["in_float64"]

CONTEXT = 3
DIMS = [1, 2, 5]
HIDDEN = [[], [7], [7, 5]]
ORDERS: dict[str, Callable[[int], Tensor]] = {
    "forward": torch.arange,
    "reversed": lambda dim: torch.arange(dim).flip(0),
    "random": lambda dim: torch.randperm(dim, generator=torch.Generator().manual_seed(1)),
}
DEGREES: dict[str, Callable[[], torch.Generator | None]] = {
    "even": lambda: None,
    "random": lambda: torch.Generator().manual_seed(2),
}

everywhere = pytest.mark.parametrize("dim", DIMS)
at_any_depth = pytest.mark.parametrize("hidden", HIDDEN, ids=str)
in_any_order = pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
of_any_degree = pytest.mark.parametrize("degrees", DEGREES.values(), ids=DEGREES.keys())


def slopes(net: Conditioner, inputs: int) -> tuple[Tensor, Tensor]:
    """∂ out / ∂ z and ∂ out / ∂ context at a random point, `[out, in]` and `[out, CONTEXT]`.

    The first number of every coordinate comes first: a MADE's outputs are `[numbers, D]`.
    """
    return torch.autograd.functional.jacobian(net, (torch.randn(inputs), torch.randn(CONTEXT)))


def masked(order: Tensor, outputs: int, hidden: list[int], **options) -> Conditioner:
    return made(order, outputs, hidden, CONTEXT, "tanh", **options)


def earlier(order: Tensor) -> Tensor:
    """Whether input j comes before output i, `[i, j]`."""
    return order[:, None] > order[None, :]


# -------------------------------------------------------------------------------------------- MADE
@of_any_degree
@in_any_order
@at_any_depth
@everywhere
def test_an_output_of_a_made_sees_no_input_but_earlier_ones(dim, hidden, order, degrees):
    order = order(dim)
    seen, _ = slopes(masked(order, 3, hidden, degrees=degrees()), dim)
    assert (seen.view(3, dim, dim)[:, ~earlier(order)] == 0).all()


@in_any_order
@at_any_depth
@everywhere
def test_an_output_of_a_made_sees_every_earlier_input(dim, hidden, order):
    order = order(dim)
    seen, _ = slopes(masked(order, 3, hidden), dim)
    assert (seen.view(3, dim, dim)[:, earlier(order)] != 0).all()


@of_any_degree
@in_any_order
@at_any_depth
@everywhere
def test_every_output_of_a_made_sees_the_whole_context(dim, hidden, order, degrees):
    _, seen = slopes(masked(order(dim), 3, hidden, degrees=degrees()), dim)
    assert (seen != 0).all()


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("dim", [2, 5])
def test_no_unit_of_random_degree_is_blind_or_unseen(dim, seed):
    generator = torch.Generator().manual_seed(seed)
    masks = made_masks(torch.arange(dim), 1, [6, 6, 6], generator)
    assert all((mask.sum(1) > 0).all() for mask in masks[:-1])
    assert (masks[-1].sum(0) > 0).all()


def test_random_degrees_are_drawn_from_their_generator_alone():
    before = torch.get_rng_state()
    one, same, other = (
        made_masks(torch.arange(5), 1, [30], torch.Generator().manual_seed(s)) for s in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one[0], same[0])
    assert not torch.equal(one[0], other[0])


def test_weights_that_a_mask_hides_get_no_gradient():
    net = masked(torch.arange(4), 2, [6])
    net(torch.randn(9, 4), torch.randn(9, CONTEXT)).square().sum().backward()
    for layer in net.layers:
        assert torch.equal(layer.weight.grad != 0, layer.mask != 0)


# ------------------------------------------------------------------------------------------- plain
@at_any_depth
@everywhere
def test_every_output_of_a_plain_conditioner_sees_everything(dim, hidden):
    for seen in slopes(plain(dim, 4, hidden, CONTEXT, "tanh"), dim):
        assert (seen != 0).all()


# -------------------------------------------------------------------------------------------- both
def makers(hidden: list[int], context: int) -> list[partial[Conditioner]]:
    """Three inputs and six outputs."""
    return [
        partial(plain, 3, 6, hidden, context, "tanh"),
        partial(made, torch.arange(3), 2, hidden, context, "tanh"),
    ]


@at_any_depth
def test_a_context_is_broadcast_over_values_and_values_over_contexts(hidden):
    for make in makers(hidden, CONTEXT):
        net, z, context = make(), torch.randn(5, 4, 1, 3), torch.randn(2, CONTEXT)
        out = net(z, context)
        assert out.shape == (5, 4, 2, 6)
        for m in range(2):
            assert_close(out[..., m, :], net(z.squeeze(-2), context[m]))


@at_any_depth
def test_a_conditioner_without_a_context_has_no_layer_for_it(hidden):
    for make in makers(hidden, 0):
        net, z = make(), torch.randn(5, 3)
        assert len(net.contexts) == 0
        assert_close(net(z, torch.randn(5, 0)), net(z, z))


@at_any_depth
def test_the_spread_scales_what_a_conditioner_says_at_first(hidden):
    for make in makers(hidden, CONTEXT):
        z, context = torch.randn(5, 3), torch.randn(5, CONTEXT)
        outs = []
        for spread in (0.0, 0.1, 1.0):
            torch.manual_seed(3)
            outs.append(make(spread=spread)(z, context))
        assert_close(outs[0], torch.zeros(5, 6))
        assert_close(outs[1], 0.1 * outs[2])
        assert outs[2].abs().max() > 0.1


@at_any_depth
def test_every_parameter_of_a_conditioner_gets_a_gradient(hidden):
    for make in makers(hidden, CONTEXT):
        net = make()
        out = net(torch.randn(9, 3), torch.randn(9, CONTEXT))
        gradients = torch.autograd.grad(out.square().sum(), list(net.parameters()))
        assert all((g != 0).any() for g in gradients)


@pytest.mark.parametrize("hidden", [[0], [-1], [5, 0]], ids=str)
def test_widths_that_cannot_be_are_refused_by_name(hidden):
    for make in makers(hidden, CONTEXT):
        with pytest.raises(Incompatible, match="hidden"):
            make()
