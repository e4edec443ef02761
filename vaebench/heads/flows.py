"""Posterior heads that push a diagonal Gaussian through a flow. All parameters depend on x."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import partial
from typing import ClassVar, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaebench.data import Field
from vaebench.distributions import DiagNormal
from vaebench.distributions.flows import (
    Coupling,
    Flow,
    InverseAutoregressive,
    Planar,
    Radial,
    Scaling,
    Transform,
)
from vaebench.errors import Incompatible
from vaebench.heads.base import Head
from vaebench.nets.base import Activation
from vaebench.nets.conditioner import Conditioner, made, plain

GENTLE = 0.1
"""Share of what the encoder emits that an untrained flow moves by: it begins near the identity."""


STILL = math.log(math.e - 1)
"""The wᵀu at which a planar flow's m(wᵀu) is 0."""

TINY = 1e-12


class FlowHead(Head):
    """q(z | x): z_0 ~ N(μ(x), diag σ²(x)) pushed through K transforms.

    The encoder emits μ, log σ and, for each transform, as many numbers as `sizes` says.

    Args:
        latent: `[D]`.
        K: how many transforms; 0 is the diagonal Gaussian, the first row of the papers' tables.
        sizes: of the transforms' parameters.
    """

    def __init__(self, latent: Field, K: int, sizes: Sequence[int]) -> None:
        super().__init__()
        if K < 0:
            raise Incompatible(f"posterior.K={K}: at least 0. Use posterior.K=0.")
        if any(size < 1 for size in sizes):
            raise Incompatible(f"posterior.context={min(sizes)}: at least 1")
        self.dim, self.sizes = latent.numel, list(sizes)
        self.param_shape = (2 * self.dim + sum(sizes),)

    @abstractmethod
    def transforms(self, params: Sequence[Tensor]) -> Iterator[Transform]:
        """The transforms with these parameters, `[*, size]` each."""

    def forward(self, params: Tensor) -> Flow:
        loc, log_scale, *rest = params.split([self.dim, self.dim, *self.sizes], -1)
        return Flow(DiagNormal(loc, log_scale), list(self.transforms(rest)))


class PlanarFlow(FlowHead):
    """K planar flows whose u, w and b come from the encoder.

    Args:
        K: how many.

    References:
        Variational Inference with Normalizing Flows (Rezende, Mohamed 2015),
        https://arxiv.org/abs/1505.05770
    """

    def __init__(self, latent: Field, *, K: int) -> None:
        super().__init__(latent, K, [2 * latent.numel + 1] * K)

    def transforms(self, params: Sequence[Tensor]) -> Iterator[Transform]:
        if not params:
            return
        u, w, b = torch.stack(list(params), -2).split([self.dim, self.dim, 1], -1)
        # u = 0 would not be the identity but, by the constraint, a contraction: m(0) = -.31.
        still = STILL * w / (w.square().sum(-1, keepdim=True) + TINY)
        yield from Planar.several(GENTLE * u + still, w, b.squeeze(-1))


class RadialFlow(FlowHead):
    """K radial flows whose z₀, α and β come from the encoder.

    α = softplus(·) and β = -α + softplus(·), equal at 0: an untrained flow is the identity.

    Args:
        K: how many.

    References:
        Variational Inference with Normalizing Flows (Rezende, Mohamed 2015),
        https://arxiv.org/abs/1505.05770
    """

    def __init__(self, latent: Field, *, K: int) -> None:
        super().__init__(latent, K, [latent.numel + 2] * K)

    def transforms(self, params: Sequence[Tensor]) -> Iterator[Transform]:
        if not params:
            return
        center, a, b = torch.stack(list(params), -2).split([self.dim, 1, 1], -1)
        alpha = F.softplus(a)
        beta = F.softplus(GENTLE * b + a) - alpha
        fields = (center.unbind(-2), alpha.squeeze(-1).unbind(-1), beta.squeeze(-1).unbind(-1))
        for each in zip(*fields, strict=True):
            yield Radial(*each)


class Couplings(FlowHead):
    """K couplings, additive ones followed by a diagonal scaling.

    The coordinates are permuted from step to step: what moves changes places.

    Args:
        K: how many couplings.
        hidden: widths of each coupling's net.
        context: width of what the encoder tells each coupling.
        activation: of its net.
        permute: `random`: a fixed random order at each step; `reverse`: the halves take turns.
    """

    affine: ClassVar[bool]
    orders: Tensor
    backs: Tensor

    def __init__(
        self,
        latent: Field,
        *,
        K: int,
        hidden: list[int],
        context: int,
        activation: Activation,
        permute: Literal["random", "reverse"] = "random",
    ) -> None:
        dim = latent.numel
        if dim < 2:
            raise Incompatible(
                "model.latent_dim=1: this posterior moves one half of z by the other, and needs two "
                "dimensions.",
                "posterior",
                options=("model.latent_dim=2",),
            )
        scaling = [] if self.affine else [dim]
        super().__init__(latent, K, [*[context] * K, *scaling])
        self.a = dim // 2
        outputs = (2 if self.affine else 1) * (dim - self.a)
        nets = nn.ModuleList(plain(self.a, outputs, hidden, context, activation) for _ in range(K))
        self.nets = cast("Sequence[Conditioner]", nets)
        orders = [_permutation(dim, k, permute) for k in range(max(K, 1))]
        self.register_buffer("orders", torch.stack(orders), persistent=False)
        self.register_buffer("backs", torch.stack([o.argsort() for o in orders]), persistent=False)

    def transforms(self, params: Sequence[Tensor]) -> Iterator[Transform]:
        for net, h, order, back in zip(self.nets, params, self.orders, self.backs, strict=False):
            yield Coupling(partial(_call, net, h), order, back, self.a)
        if not self.affine:
            yield Scaling(GENTLE * params[-1])


class NICE(Couplings):
    """Additive couplings, which preserve volume, and a scaling.

    References:
        NICE: Non-linear Independent Components Estimation (Dinh, Krueger, Bengio 2015),
        https://arxiv.org/abs/1410.8516
    """

    affine = False


class RealNVP(Couplings):
    """Affine couplings.

    References:
        Density Estimation Using Real NVP (Dinh, Sohl-Dickstein, Bengio 2017),
        https://arxiv.org/abs/1605.08803
    """

    affine = True


class IAF(FlowHead):
    """K inverse autoregressive flows, each a MADE of z with a context from the encoder.

    The order of the coordinates is reversed from step to step.

    Args:
        K: how many.
        hidden: widths of each MADE.
        context: width of what the encoder tells each step.
        activation: of the MADEs.
        gate: `sigmoid`: z' = σ(s) z + (1 - σ(s)) m; `doubled`: 2 σ(s) in place of σ(s), as one
            implementation found useful; it is not in the paper.

    References:
        Improving Variational Inference with Inverse Autoregressive Flow (Kingma, Salimans,
        Jozefowicz, Chen, Sutskever, Welling 2016), https://arxiv.org/abs/1606.04934
    """

    orders: Tensor

    def __init__(
        self,
        latent: Field,
        *,
        K: int,
        hidden: list[int],
        context: int,
        activation: Activation,
        gate: Literal["sigmoid", "doubled"] = "sigmoid",
    ) -> None:
        super().__init__(latent, K, [context] * K)
        self.doubled = gate == "doubled"
        up = torch.arange(self.dim)
        orders = [up if k % 2 == 0 else up.flip(0) for k in range(max(K, 1))]
        self.register_buffer("orders", torch.stack(orders), persistent=False)
        nets = nn.ModuleList(made(o, 2, hidden, context, activation) for o in orders[:K])
        self.nets = cast("Sequence[Conditioner]", nets)
        # Gates begin open, at .88 or, doubled, at 1.
        with torch.no_grad():
            for net in self.nets:
                net.layers[-1].bias[self.dim :] = 0.0 if self.doubled else 2.0

    def transforms(self, params: Sequence[Tensor]) -> Iterator[Transform]:
        for net, h, order in zip(self.nets, params, self.orders, strict=False):
            yield InverseAutoregressive(partial(_call, net, h), order, doubled=self.doubled)


def _call(net: Conditioner, context: Tensor, z: Tensor) -> Tensor:
    return net(z, context)


def _permutation(dim: int, step: int, permute: str) -> Tensor:
    """The order of the coordinates at a step; the same in every run.

    Steps come in pairs of an order and its reverse, so that what stays at one moves at the next.
    """
    order = torch.arange(dim)
    if permute == "random":
        order = torch.randperm(dim, generator=torch.Generator().manual_seed(step // 2))
        # Of an odd number the one in the middle moves both times: another one in each pair.
        order = torch.cat([order[order != step // 2 % dim], torch.tensor([step // 2 % dim])])
        order = order.roll(dim - dim // 2)
    return order if step % 2 == 0 else order.flip(0)
