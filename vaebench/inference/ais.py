"""Annealed importance sampling from the prior to the posterior, and back.

References:
    Annealed Importance Sampling (Neal 2001), https://arxiv.org/abs/physics/9803008
    Measuring the Reliability of MCMC Inference with Bidirectional Monte Carlo (Grosse, Ancha, Roy
    2016), https://arxiv.org/abs/1606.02275
    On the Quantitative Analysis of Decoder-Based Generative Models (Wu, Burda, Salakhutdinov,
    Grosse 2017), https://arxiv.org/abs/1611.04273
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vaebench.data import Batch
from vaebench.distributions import Noise
from vaebench.inference.codes import conditions, roles
from vaebench.inference.infer import batch_size
from vaebench.inference.leapfrog import Point, leapfrog
from vaebench.inference.target import Target
from vaebench.models import Model
from vaebench.progress import steps
from vaebench.trace import Trace

SHARPNESS = 4.0
ACCEPTANCE = 0.65
RATE = 0.1
JITTER = 0.2
LARGEST_STEP, SMALLEST_STEP = 2.0, 1e-4


def temperatures(n: int) -> Tensor:
    """β_0 = 0 … β_n = 1 along a logistic curve, densest at both ends (Wu et al. 2017)."""
    s = torch.linspace(-SHARPNESS, SHARPNESS, n + 1, dtype=torch.float64).sigmoid()
    return (s - s[0]) / (s[-1] - s[0])


@dataclass
class Annealing:
    """A path of intermediate densities f_t(z) = p(z) p(x | z)^β_t, and a move that leaves each as it
    is: Hamiltonian Monte Carlo on all latents together.

    Attributes:
        model: whose latents are continuous.
        chains: k, importance samples per example.
        temperatures: T ≥ 1, how many densities after the prior.
        leapfrog: steps of a move.
        noise: where everything random comes from.
        sizes: ε_t of each move, found by `tune`; a move of fixed sizes is what the identities need.
        accepted: share of the proposals that the latest pass accepted.
    """

    model: Model
    chains: int
    temperatures: int
    leapfrog: int
    noise: Noise
    sizes: list[float] = field(default_factory=list)
    accepted: float = 0.0

    def tune(self, batch: Batch) -> None:
        """Finds step sizes on a pass of its own: E[acceptance] near 0.65 at every temperature."""
        self.sizes = []
        size, betas = 0.3, temperatures(self.temperatures).tolist()
        target = Target(self.model, batch)
        z = self._start(batch)
        for beta in steps(betas[1:], "step sizes"):
            z, accept = self._move(target, z, beta, size)
            self.sizes.append(size)
            size *= math.exp(RATE * (accept - ACCEPTANCE))
            size = min(max(size, SMALLEST_STEP), LARGEST_STEP)

    def forward(self, batch: Batch) -> Tensor:
        """log w, `[chains, B]`, with E[w] = p(x): its log-mean-exp is a lower bound in expectation.

        log w = Σ_t (β_t - β_{t-1}) log p(x | z_{t-1}), z_t ~ move(z_{t-1}; f_t).
        """
        betas = temperatures(self.temperatures).tolist()
        target, z = Target(self.model, batch), self._start(batch)
        return self._pass(target, z, list(zip(betas[:-1], betas[1:], self.sizes, strict=True)))

    def backward(self, batch: Batch, z: Point) -> Tensor:
        """log w of the reversed chain, `[chains, B]`, with E[1/w] = 1/p(x), from exact samples
        z ~ p(z | x) `[1, B, *]`: -log-mean-exp(-log w) is an upper bound in expectation.
        """
        betas = temperatures(self.temperatures).tolist()
        target = Target(self.model, batch)
        lead = (self.chains, batch_size(batch))
        z = {name: v.expand(*lead, *v.shape[2:]) for name, v in z.items()}
        path = list(zip(betas[1:], betas[:-1], self.sizes, strict=True))[::-1]
        return -self._pass(target, z, path, moves_first=True)

    def _pass(
        self,
        target: Target,
        z: Point,
        path: list[tuple[float, float, float]],
        *,
        moves_first: bool = False,
    ) -> Tensor:
        """Σ (new β - old β) log p(x | z) along a path. A forward pass moves at the new temperature
        after each jump, a reversed one at the old temperature before it."""
        log_w: float | Tensor = 0.0
        accepted = []
        for old, new, size in steps(path, "backward" if moves_first else "forward"):
            if moves_first:
                z, accept = self._move(target, z, old, size)
                accepted.append(accept)
            log_w = log_w + (new - old) * target.log_likelihood(z)
            if not moves_first:
                z, accept = self._move(target, z, new, size)
                accepted.append(accept)
        self.accepted = sum(accepted) / len(accepted)
        return torch.as_tensor(log_w)

    def _start(self, batch: Batch) -> Point:
        """z ~ p(z), `[chains, B, *]`."""
        lead = (self.chains, batch_size(batch))
        p = Trace(*lead, conditions(self.model, batch), noise=self.noise)
        with torch.no_grad():
            self.model.generate(p, batch)
        names, _ = roles(self.model, batch)
        return {n: p.values[n].expand(*lead, *p[n].dist.event_shape) for n in names}

    def _move(self, target: Target, z: Point, beta: float, size: float) -> tuple[Point, float]:
        """One Hamiltonian proposal at p(z) p(x | z)^β, accepted by Metropolis' rule."""
        v = {n: self.noise.normal(value.shape, value) for n, value in z.items()}
        like = next(iter(z.values()))
        u = self.noise.uniform((1,), like)
        # Shorter and longer paths by turns: one length may carry a Gaussian back to its start.
        step = size * (1 + JITTER * (2 * u - 1))
        track = Track(target, beta)
        new_z, new_v = leapfrog(z, v, track, step, self.leapfrog)
        log_accept = track.last - track.first + _kinetic(v) - _kinetic(new_v)
        log_accept = log_accept.nan_to_num(nan=-torch.inf)
        accept = self.noise.uniform(log_accept.shape, log_accept).log() < log_accept
        kept = {
            n: torch.where(accept.view(*accept.shape, *(1,) * (v.ndim - 2)), new_z[n], v)
            for n, v in z.items()
        }
        return kept, log_accept.clamp(max=0).exp().mean().item()


@dataclass
class Track:
    """∇ log f_t for the leapfrog, which remembers log f_t at the first and the latest point."""

    target: Target
    beta: float
    first: Tensor = field(init=False)
    last: Tensor = field(init=False)

    def __call__(self, z: Point) -> Point:
        leaves = {n: v.detach().requires_grad_() for n, v in z.items()}
        with torch.enable_grad():
            prior, seen = self.target(leaves)
            log_f = prior + self.beta * seen
        gradients = torch.autograd.grad(log_f.sum(), list(leaves.values()))
        self.last = log_f.detach()
        if not hasattr(self, "first"):
            self.first = self.last
        return dict(zip(leaves, gradients, strict=True))


def _kinetic(v: Point) -> Tensor:
    """½ ‖v‖², `[k, B]`."""
    return 0.5 * torch.stack([x.square().flatten(2).sum(-1) for x in v.values()]).sum(0)
