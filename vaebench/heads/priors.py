"""Priors p(z)."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch import distributions as td

from vaebench.data import Field, Support
from vaebench.distributions import (
    Autoregressive,
    BernoulliLogits,
    DiagNormal,
    Distribution,
    Mixture,
    OneHot,
    StandardNormal,
    Torch,
)
from vaebench.distributions.flows import Flow, Inverse
from vaebench.errors import Incompatible
from vaebench.heads.base import Conditional, ConditionalPrior, PosteriorPrior, Prior
from vaebench.heads.flows import IAF, NICE, FlowHead, RadialFlow, RealNVP
from vaebench.heads.posteriors import suited
from vaebench.nets.base import ACTIVATIONS, Activation, widths
from vaebench.nets.conditioner import made
from vaebench.nets.join import Fields, Joined, Vectors, check_numbers

Posterior = Callable[[Tensor], Distribution]
Family = Literal["realnvp", "nice", "radial", "iaf"]
FLOWS: dict[Family, Callable[..., FlowHead]] = {
    "realnvp": RealNVP,
    "nice": NICE,
    "radial": RadialFlow,
    "iaf": IAF,
}
CONTEXT = 1
"""Width of the constant that stands for a context where there is none."""


class Normal(Prior):
    """p(z) = N(0, I)."""

    zero: Tensor

    def __init__(self, latent: Field) -> None:
        super().__init__()
        self.register_buffer("zero", torch.zeros(latent.shape), persistent=False)

    def forward(self) -> StandardNormal:
        return StandardNormal(self.zero)


class LearnedGaussian(Prior):
    """p(z) = N(μ, diag σ²) with learned μ and σ, which begin at 0 and 1."""

    def __init__(self, latent: Field) -> None:
        super().__init__()
        self.params = nn.Parameter(torch.zeros(2 * latent.numel))

    def forward(self) -> DiagNormal:
        return _diagonal(self.params)


class Bits(Prior):
    """p(z) = Π_d Bernoulli(z_d; sigmoid(l_d)) with learned l, which begin at 0."""

    def __init__(self, latent: Field) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(latent.shape))

    def forward(self) -> BernoulliLogits:
        return BernoulliLogits(self.logits)


class Categorical(Prior):
    """p(z) = Π_d softmax(l_d)[z_d] of one-hot variables, as many classes as the posterior infers.

    Args:
        learned: whether l is learned, which begins at 0, or all classes stay equally probable.
    """

    logits: Tensor

    def __init__(self, latent: Field, *, learned: bool) -> None:
        super().__init__()
        if latent.support is not Support.ONE_HOT:
            raise Incompatible(
                "this prior is a density of classes, which this posterior does not infer.",
                "prior",
                "posterior",
            )
        logits = torch.zeros(latent.numel // latent.levels, latent.levels)
        if learned:
            self.logits = nn.Parameter(logits)
        else:
            self.register_buffer("logits", logits, persistent=False)

    def forward(self) -> OneHot:
        return OneHot(self.logits)


class FlowPrior(Prior):
    """p(z): a Gaussian pushed through a learned flow that can be inverted.

    Args:
        family: `realnvp`, `nice` and `radial` score and sample in one pass; `iaf` is turned round,
            so that it scores in one pass and samples coordinate by coordinate (a masked
            autoregressive flow; Papamakarios, Pavlakou, Murray 2017).
        K: how many transforms.
        hidden: widths of their nets; of no use to `radial`.
        activation: of their nets.
    """

    def __init__(
        self,
        latent: Field,
        *,
        family: Family,
        K: int,
        hidden: list[int],
        activation: Activation,
    ) -> None:
        super().__init__()
        if K < 1:
            raise Incompatible("prior.K=0: at least one transform. Use prior.K=1.")
        if latent.numel < 2 and family in ("realnvp", "nice"):
            raise Incompatible(
                f"prior.family={family} moves one half of z by the other, and needs two dimensions.",
                options=("model.latent_dim=2", "prior.family=radial"),
            )
        options: dict[str, Any] = {"K": K}
        if family != "radial":
            options |= {"hidden": hidden, "activation": activation, "context": CONTEXT}
        self.head, self.turned = FLOWS[family](latent, **options), family == "iaf"
        # Learned constants in place of what an encoder would emit; none at 0, where a product of
        # two of them would have no gradient.
        self.params = nn.Parameter(0.1 * torch.randn(self.head.param_shape))
        with torch.no_grad():
            self.params[: 2 * latent.numel] = 0

    def forward(self) -> Flow:
        flow = self.head(self.params)
        if not self.turned:
            return flow
        return Flow(flow.base, [Inverse(f) for f in reversed(flow.transforms)])


class AutoregressivePrior(Prior):
    """p(z) = Π_i p(z_i | z_{<i}), each a mixture of Gaussians whose parameters a MADE computes.

    Scores in one pass and samples coordinate by coordinate.

    Args:
        components: of each mixture.
        hidden: widths of the MADE.
        activation: of the MADE.

    References:
        MADE: Masked Autoencoder for Distribution Estimation (Germain, Gregor, Murray, Larochelle
        2015), https://arxiv.org/abs/1502.03509
    """

    order: Tensor

    def __init__(
        self,
        latent: Field,
        *,
        components: int,
        hidden: list[int],
        activation: Activation,
    ) -> None:
        super().__init__()
        if components < 1:
            raise Incompatible(f"prior.components={components}: at least 1")
        self.dim, self.components = latent.numel, components
        self.register_buffer("order", torch.arange(self.dim), persistent=False)
        self.net = made(self.order, 3 * components, hidden, 0, activation)
        with torch.no_grad():
            centres = self.net.layers[-1].bias.view(3, components, self.dim)[1]
            centres.copy_(torch.randn(components, self.dim))  # equal ones would stay equal

    def forward(self) -> Autoregressive:
        return Autoregressive(self._conditional, self.order, self.net.layers[-1].bias)

    def _conditional(self, z: Tensor) -> Torch:
        logits, loc, log_scale = self.net(z, z).unflatten(-1, (3, self.components, -1)).unbind(-3)
        logits, loc, log_scale = (x.transpose(-1, -2) for x in (logits, loc, log_scale))
        each = td.Normal(loc, log_scale.exp(), validate_args=False)
        which = td.Categorical(logits=logits, validate_args=False)
        mixture = td.MixtureSameFamily(which, each, validate_args=False)
        return Torch(td.Independent(mixture, 1, validate_args=False))


class AutoregressiveBits(Prior):
    """p(z) = Π_i Bernoulli(z_i; sigmoid(l_i(z_{<i}))) of bits, the logits from a MADE.

    Args:
        hidden: widths of the MADE; with none it is a fully visible sigmoid belief net.
        activation: of the MADE.

    References:
        Deep AutoRegressive Networks (Gregor, Danihelka, Mnih, Blundell, Wierstra 2014),
        https://arxiv.org/abs/1310.8499
    """

    order: Tensor

    def __init__(self, latent: Field, *, hidden: list[int], activation: Activation) -> None:
        super().__init__()
        self.register_buffer("order", torch.arange(latent.numel), persistent=False)
        self.net = made(self.order, 1, hidden, 0, activation)

    def forward(self) -> Autoregressive:
        return Autoregressive(self._conditional, self.order, self.net.layers[-1].bias)

    def _conditional(self, z: Tensor) -> BernoulliLogits:
        return BernoulliLogits(self.net(z, z))


class GaussianMixture(Prior):
    """p(z) = Σ_m π_m N(μ_m, diag σ_m²) with learned π, μ and σ.

    Args:
        components: M ≥ 1.
        spread: standard deviation of the initial μ_m; the initial σ_m are 1.

    References:
        Approximate Inference for Deep Latent Gaussian Mixtures (Nalisnick, Hertel, Smyth 2016)
    """

    def __init__(self, latent: Field, *, components: int, spread: float = 1.0) -> None:
        super().__init__()
        if components < 1:
            raise Incompatible(f"prior.components={components}: at least 1")
        loc = spread * torch.randn(components, latent.numel)
        self.params = nn.Parameter(torch.cat([loc, torch.zeros_like(loc)], -1))
        self.logits = nn.Parameter(torch.zeros(components))

    def forward(self) -> Mixture:
        return Mixture(_diagonal, self.params, self.logits.log_softmax(0))


class Vamp(PosteriorPrior):
    """p(z) = 1/M Σ_m q(z | u_m): the posterior at M learned pseudo-inputs.

    Args:
        components: M ≥ 1.
        init_scale: standard deviation of the noise around the data mean that the pseudo-inputs
            start from.

    References:
        VAE with a VampPrior (Tomczak, Welling 2018), https://arxiv.org/abs/1705.07120
    """

    log_weights: Tensor

    def __init__(
        self,
        latent: Field,
        posterior: Posterior,
        observed: Field,
        *,
        components: int,
        init_scale: float = 0.1,
    ) -> None:
        super().__init__()
        if components < 1:
            raise Incompatible(f"prior.components={components}: at least 1")
        if observed.support in (Support.TOKENS, Support.LABEL):
            raise Incompatible(
                "this prior learns pseudo-inputs, which are numbers; the data are "
                f"{observed.support.words}.",
                "prior",
            )
        self._posterior = (posterior,)  # the model's, which holds its parameters
        self.bounded = observed.support is not Support.REAL
        mean = torch.zeros(observed.shape) if observed.mean is None else observed.mean.clone()
        if self.bounded:
            mean = mean.clamp(0.01, 0.99).logit()
        self.pseudo = nn.Parameter(mean + init_scale * torch.randn(components, *observed.shape))
        self.register_buffer("log_weights", -torch.full((components,), float(components)).log())

    @property
    def inputs(self) -> Tensor:
        """u_m, `[M, *shape]`, inside [0, 1] where the data are."""
        return self.pseudo.sigmoid() if self.bounded else self.pseudo

    def forward(self) -> Mixture:
        mixture = Mixture(self._posterior[0], self.inputs, self.log_weights)
        if not mixture.scores_given:
            raise Incompatible(
                "this prior needs log q(z | x) at a given z; this posterior scores only its own "
                "samples.",
                "prior",
                "posterior",
            )
        return mixture


class Conditioned(ConditionalPrior):
    """p(z | y) of the conditions: a diagonal Gaussian, or independent bits or classes where q infers
    those, whose parameters a net makes of y. It begins at N(0, I), or fair, whatever y is.

    Args:
        hidden: widths of the net.
        activation: of the net.

    References:
        Learning Structured Output Representation using Deep Conditional Generative Models (Sohn,
        Lee, Yan 2015)
    """

    def __init__(
        self, latent: Field, conditions: Fields, *, hidden: list[int], activation: Activation
    ) -> None:
        super().__init__()
        check_numbers(conditions, "prior")
        self.reads = tuple(conditions)
        head, join = suited(latent), Vectors(conditions)
        sizes = [join.field.numel, *widths("prior.hidden", hidden), math.prod(head.param_shape)]
        layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
        nn.init.zeros_(layers[-1].weight)
        nn.init.zeros_(layers[-1].bias)
        net = nn.Sequential(layers[0])
        for layer in layers[1:]:
            net.extend([ACTIVATIONS[activation](), layer])
        net.append(nn.Unflatten(-1, head.param_shape))
        self.density = Conditional(Joined(join, net), head)

    def forward(self, *conditions: Tensor) -> Distribution:
        return self.density(*conditions)


def _diagonal(params: Tensor) -> DiagNormal:
    loc, log_scale = params.chunk(2, -1)
    return DiagNormal(loc, log_scale)
