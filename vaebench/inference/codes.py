"""Codes and what they stand for: encoding, decoding and sampling of any model."""

from __future__ import annotations

from collections import ChainMap

import torch
from torch import Tensor

from vaebench.distributions import Noise, TokenSequence
from vaebench.distributions.decoding import greedy
from vaebench.inference.infer import Batch, batch_size, infer
from vaebench.models import Model
from vaebench.trace import Trace

Point = dict[str, Tensor]
"""Values of latents by name."""


@torch.no_grad()
def roles(model: Model, batch: Batch) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names that recognition draws, and names of the batch that generation scores."""
    one = {name: value[:1] for name, value in batch.items()}
    with torch.random.fork_rng(devices=[]):  # what is drawn here is looked at by nobody
        evidence = infer(model, one, 1)
    return evidence.latents, tuple(site.name for site in evidence.observed)


def conditions(model: Model, batch: Batch) -> dict[str, Tensor]:
    """What of a batch is neither observed nor latent."""
    latent, observed = roles(model, batch)
    return {name: value for name, value in batch.items() if name not in (*latent, *observed)}


@torch.no_grad()
def encode(model: Model, batch: Batch, noise: Noise | None = None) -> Point:
    """E_q[z | x] of each latent, `[B, *event]`; of one that depends on another's draw, its mean at
    one draw."""
    evidence = infer(model, batch, 1, noise=noise)
    size = batch_size(batch)
    means = {}
    for name in evidence.latents:
        dist = evidence.q[name].dist
        mean = dist.mean[0] if len(dist.batch_shape) == 2 else dist.mean
        means[name] = mean.expand(size, *dist.event_shape)
    return means


@torch.no_grad()
def decode(model: Model, z: Point, batch: Batch, noise: Noise | None = None) -> Trace:
    """p's trace at given latents `[n, *event]`; whatever is not given is drawn.

    Args:
        batch: conditions, `[n, *]` each.
    """
    n = len(next(iter(z.values())))
    given = {name: value.unsqueeze(0) for name, value in z.items()}
    p = Trace(1, n, ChainMap(given, dict(batch)), noise=noise)
    model.generate(p, batch)
    return p


@torch.no_grad()
def simulate(model: Model, n: int, batch: Batch, noise: Noise | None = None) -> Trace:
    """p's trace of n samples of latents and data, z ~ p(z), x ~ p(x | z).

    Args:
        batch: conditions, `[n, *]` each.
    """
    p = Trace(1, n, dict(batch), noise=noise)
    model.generate(p, batch)
    return p


def drawn(trace: Trace, name: str) -> Tensor:
    """A site's value in a trace of k = 1, `[B, *event]`."""
    value, event = trace.values[name], trace[name].dist.event_shape
    return value.expand(1, trace.lead[1], *event)[0]


def expected(trace: Trace, name: str) -> Tensor:
    """A site's mean in a trace of k = 1, `[B, *event]`; of sentences, what greedy decoding finds."""
    dist = trace[name].dist
    if isinstance(dist, TokenSequence):
        context = dist.context.expand(1, trace.lead[1], -1)[0]
        return greedy(dist.language, context, dist.length)
    return dist.mean.expand(1, trace.lead[1], *dist.event_shape)[0]
