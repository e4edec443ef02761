"""Codes and what they stand for: encoding, decoding and sampling of any model."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Sequence

import torch
from torch import Tensor

from vaebench.data import Batch
from vaebench.distributions import Distribution, Noise, TokenSequence
from vaebench.distributions.base import Shared
from vaebench.distributions.decoding import greedy
from vaebench.inference.infer import batch_size, infer
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


CODES = 16
"""Draws that E_q[z | x] is taken over where it is no function of x alone."""


@torch.no_grad()
def encode(model: Model, batch: Batch) -> Point:
    """E_q[z | x] of each latent, `[B, *event]`; of one that depends on draws, the mean over 16."""
    size, device = batch_size(batch), next(iter(batch.values())).device
    q = infer(model, batch, 1, noise=Shared((1, size), device)).q
    varied = [site.name for site in q.drawn if depends_on_draws(site.dist)]
    means = {n: v.mean(0) for n, v in common_draws(model, batch, CODES, varied).items()}
    return {
        site.name: means[site.name]
        if site.name in means
        else site.dist.mean.expand(size, *site.dist.event_shape)
        for site in q.drawn
    }


def depends_on_draws(dist: Distribution) -> bool:
    """Whether q(z | x) is another one at each draw of what it is made of: another latent, or its own
    samples before they moved."""
    return len(dist.batch_shape) == 2


@torch.no_grad()
def common_draws(model: Model, batch: Batch, n: int, names: Sequence[str]) -> Point:
    """E[z | x, ε_i] of some latents under n draws ε_i of all that comes before, `[n, B, *event]`.

    Each draw is common to all examples, and to all calls: two examples differ only where their
    densities do.
    """
    if not names:
        return {}
    lead = (n, batch_size(batch))
    noise = Shared(lead, next(iter(batch.values())).device)
    if model.refine is None:
        q = Trace(*lead, batch, noise=noise)
        model.recognise(q, batch)
    else:
        q = infer(model, batch, n, noise=noise).q
    return {name: q[name].dist.mean.expand(*lead, *q[name].dist.event_shape) for name in names}


@torch.no_grad()
def generate_at(model: Model, z: Point, batch: Batch, noise: Noise | None = None) -> Trace:
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
    """A site's mean in a trace of k = 1, `[B, *event]`; of sentences, what greedy decoding finds, of
    labels the most probable."""
    dist = trace[name].dist
    if isinstance(dist, TokenSequence):
        context = dist.context.expand(1, trace.lead[1], -1)[0]
        return greedy(dist.language, context, dist.length)
    return dist.mean.expand(1, trace.lead[1], *dist.event_shape)[0]
