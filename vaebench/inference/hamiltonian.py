"""Hamiltonian variational inference: q's samples follow log p(x, z) for a few leapfrog steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add

import torch
from torch import Tensor, nn

from vaebench.data import Batch, Field, Support
from vaebench.distributions import DiagNormal, Distribution, Noise, StandardNormal
from vaebench.errors import Incompatible
from vaebench.inference.leapfrog import Point, leapfrog
from vaebench.inference.target import Target
from vaebench.models import Model, Refine
from vaebench.nets.base import Activation
from vaebench.nets.conditioner import plain
from vaebench.nets.join import Vectors
from vaebench.trace import Evidence, Site, Trace


class Hamiltonian(Refine):
    """z_0 ~ q(z | x), v_0 ~ N(0, I), (z_T, v_T) by T leapfrog steps on log p(x, z).

    log w = log p(x, z_T) + log r(v_T | x, z_T) - log q(z_0 | x) - log N(v_0; 0, I), since the
    steps preserve volume. E[w] = p(x) whatever r is: the bound E log w pays for the momenta, which
    the importance-weighted likelihood gradually does not.

    Args:
        latents: fields of the latents by name.
        observed: fields of what they are inferred from.
        steps: T ≥ 1.
        step_size: initial ε; one is learned for each dimension.
        hidden: widths of the net of r, the momentum model: a diagonal Gaussian.
        activation: of that net.

    References:
        Markov Chain Monte Carlo and Variational Inference: Bridging the Gap (Salimans, Kingma,
        Welling 2015), https://arxiv.org/abs/1410.6460
    """

    def __init__(
        self,
        latents: Mapping[str, Field],
        observed: Mapping[str, Field],
        *,
        steps: int,
        step_size: float,
        hidden: list[int],
        activation: Activation,
    ) -> None:
        super().__init__()
        if steps < 1:
            raise Incompatible(f"refine.steps={steps}: at least 1.", "refine")
        if not step_size > 0:
            raise Incompatible(f"refine.step_size={step_size}: must be positive")
        if any(field.support is Support.TOKENS for field in observed.values()):
            raise Incompatible(
                "this refine: its momentum model reads numbers; the data are tokens.", "refine"
            )
        self.steps, self.observed, self.join = steps, tuple(observed), Vectors(observed)
        self.log_step = nn.ParameterDict(
            {n: nn.Parameter(torch.full(f.shape, math.log(step_size))) for n, f in latents.items()}
        )
        width = self.join.field.numel
        self.momentum = nn.ModuleDict(
            {n: plain(f.numel, 2 * f.numel, hidden, width, activation) for n, f in latents.items()}
        )

    def forward(self, model: Model, batch: Batch, evidence: Evidence, noise: Noise) -> Evidence:
        k, size = evidence.q.lead
        z = {n: _whole(evidence.q[n]) for n in evidence.latents}
        v = {n: noise.normal(value.shape, value) for n, value in z.items()}
        log_q = reduce(add, (_standard(x).log_prob(x) for x in v.values()))
        step = {name: self.log_step[name].exp() for name in z}
        z, v = leapfrog(z, v, Slope(Target(model, batch)), step, self.steps)
        log_r = reduce(add, (self._reverse(n, z[n], batch).log_prob(v[n].flatten(2)) for n in z))
        q = Trace(k, size, evidence.q.given, noise=noise)
        for name, site in evidence.q.sites.items():
            q.sites[name] = _moved(site, z[name]) if name in z else site
            q.values[name] = z.get(name, site.value)
        p = Trace(k, size, {**batch, **q.values}, noise=noise)
        model.generate(p, batch)
        return Evidence(p, q, evidence.latents, log_q - log_r)

    def _reverse(self, name: str, z: Tensor, batch: Batch) -> DiagNormal:
        """r(v | x, z), `[k, B]` of events `[D]`."""
        x = self.join(*(batch[o] for o in self.observed)).to(z.dtype)
        return DiagNormal(*self.momentum[name](z.flatten(2), x).chunk(2, -1))


class Moved(Distribution):
    """What a site's samples were drawn from before they moved. It has no density at any other value.

    Args:
        origin: q(z_0 | x).
        value: z_T.
    """

    has_rsample = True
    scores_given = False

    def __init__(self, origin: Distribution, value: Tensor) -> None:
        self.origin, self.value = origin, value
        self.has_density, self.kind = origin.has_density, origin.kind

    @property
    def batch_shape(self) -> torch.Size:
        return self.value.shape[: self.value.ndim - len(self.event_shape)]

    @property
    def event_shape(self) -> torch.Size:
        return self.origin.event_shape

    @property
    def mean(self) -> Tensor:
        """The moved samples themselves, `[k, B, *event]`: their mean over k estimates E[z_T]."""
        return self.value

    def rsample(self, shape: Sequence[int], noise: Noise) -> Tensor:
        raise Incompatible("refined samples come from infer alone")

    def log_prob(self, value: Tensor) -> Tensor:
        raise Incompatible("refine=hamiltonian scores only its own samples")


STEEPEST = 1e3
"""Length of a slope beyond which it is shortened: where a net makes log p(x, z) fall like a wall,
the steps would leave every float. A kick by any function of z keeps volumes and can be undone, so
the bound stays one."""


class Slope:
    """∇_z log p(x, z) for each latent, no longer than 1000, differentiable where gradients are on."""

    def __init__(self, target: Target) -> None:
        self.target = target

    def __call__(self, z: Point) -> Point:
        learning = torch.is_grad_enabled()
        with torch.enable_grad():
            # A value that carries no gradient, or none that is wanted, becomes a leaf.
            points = {
                name: value if learning and value.requires_grad else value.detach().requires_grad_()
                for name, value in z.items()
            }
            prior, seen = self.target(points)
            gradients = torch.autograd.grad(
                (prior + seen).sum(), list(points.values()), create_graph=learning
            )
        return {n: _shortened(g) for n, g in zip(points, gradients, strict=True)}


def _shortened(slope: Tensor) -> Tensor:
    """A slope `[k, B, *event]` of length STEEPEST at most."""
    length = slope.flatten(2).norm(dim=2).clamp(min=STEEPEST)
    return slope * (STEEPEST / length).reshape(*length.shape, *(1 for _ in slope.shape[2:]))


def _whole(site: Site) -> Tensor:
    """A site's value with both leading dimensions."""
    k, size = site.lead
    return site.value.expand(k, size, *site.dist.event_shape)


def _moved(site: Site, value: Tensor) -> Site:
    """The site at its new value, scored where it was drawn."""
    dist = Moved(site.dist, value)
    return Site(site.name, dist, value, lambda: site.log_prob, given=False, lead=site.lead)


def _standard(x: Tensor) -> StandardNormal:
    return StandardNormal(torch.zeros(x.shape[2:], dtype=x.dtype, device=x.device))
