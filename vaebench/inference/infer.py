"""Running a model's two programs on a batch."""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor

from vaebench.data import Batch
from vaebench.distributions import Noise
from vaebench.models import Model
from vaebench.progress import steps
from vaebench.trace import Evidence, Relax, Trace

Result = TypeVar("Result")

CHUNK = 800_000
"""Decoder outputs in one chunk of an evaluation: about 1000 MNIST images, which fit a CPU's cache."""


def batch_size(batch: Batch) -> int:
    """B."""
    return len(next(iter(batch.values())))


def infer(
    model: Model,
    batch: Batch,
    k: int,
    *,
    seen: Batch | None = None,
    given: Batch | None = None,
    reparam: bool = True,
    relax: Relax | None = None,
    noise: Noise | None = None,
) -> Evidence:
    """k samples of q(z | seen), refined where the model says so, and their evidence about the batch.

    Args:
        batch: what p is scored on, and its conditions.
        seen: what q sees; the batch unless said otherwise. A latent that it holds is used, not
            drawn.
        given: values for latents of both programs.
        reparam: pathwise draws.
        relax: how q's discrete latents are drawn, in place of their own draws.
        noise: where draws come from.
    """
    found = _unrefined(model, batch, noise, k, seen=seen, given=given, reparam=reparam, relax=relax)
    return refined(model, batch, found, noise)


def _unrefined(
    model: Model,
    batch: Batch,
    noise: Noise | None,
    k: int = 1,
    *,
    seen: Batch | None = None,
    given: Batch | None = None,
    reparam: bool = True,
    relax: Relax | None = None,
) -> Evidence:
    seen = batch if seen is None else seen
    given = {} if given is None else given
    size = batch_size(batch)
    known = ChainMap(dict(given), dict(seen))
    q = Trace(k, size, known, reparam=reparam, relax=relax, noise=noise)
    p = Trace(k, size, ChainMap(q.values, dict(given), dict(batch)), noise=noise)
    model.joint(p, q, batch, seen)
    return Evidence(p, q, _names(q))


def infer_at_values(
    model: Model, batch: Batch, latents: Batch, noise: Noise | None = None
) -> Evidence:
    """The evidence of given values `[k, B, *event]` of latents, each scored under q and p; whatever
    latents have none are drawn."""
    k = len(next(iter(latents.values())))
    found = _unrefined(model, batch, noise, k, given=latents)
    visited = found.q.sites.values()
    names = tuple(s.name for s in visited if s.name in latents or not s.given)
    return Evidence(found.p, found.q, names)


def refined(model: Model, batch: Batch, evidence: Evidence, noise: Noise | None) -> Evidence:
    """The evidence after the model's refinement of q's samples, if it has one."""
    if model.refine is None or not evidence.latents:
        return evidence
    return model.refine(model, batch, evidence, noise or Noise())


def _names(q: Trace) -> tuple[str, ...]:
    return tuple(site.name for site in q.drawn)


def frozen(model: Model, run: Callable[..., Result], *args: Any) -> Result:
    """`run(model, *args)` with every parameter of the model held constant."""
    constants = {name: value.detach() for name, value in model.named_parameters()}
    return torch.func.functional_call(model, constants, (run, *args))


def rescore(
    evidence: Evidence, model: Model, batch: Batch, noise: Noise
) -> tuple[Evidence, dict[str, Tensor]]:
    """The same samples, with q's density read at frozen parameters.

    Each latent enters through an identity copy that is used for scoring only, never on the
    sampling path: a gradient hook on it sees ∂ log w / ∂z and nothing else.

    Returns:
        the evidence, and the scoring copies by name.
    """
    k, size = evidence.q.lead
    values = {name: evidence.q[name].value for name in evidence.latents}
    copies = {name: value.view_as(value) for name, value in values.items()}
    q = Trace(k, size, ChainMap(copies, dict(batch)), noise=noise)
    frozen(model, lambda m: m.recognise(q, batch))
    p = Trace(k, size, ChainMap(copies, dict(batch)), noise=noise)
    model.generate(p, batch)
    return Evidence(p, q, evidence.latents), copies


def log_mean_exp(log_w: Tensor, dim: int = 0) -> Tensor:
    """log 1/k Σ exp log w, over one dimension.

    >>> log_mean_exp(torch.tensor([1.0, 3.0]).log()).exp()
    tensor(2.)
    """
    return log_w.logsumexp(dim) - math.log(log_w.shape[dim])


def stream(model: Model, batch: Batch, k: int, noise: Noise) -> Iterator[Evidence]:
    """k samples in chunks of bounded size, so that memory does not grow with k.

    The encoder runs once: chunks after the first are drawn from the distributions that it gave.
    Only where a latent's distribution depends on another latent's draw must recognition run again.
    """
    unmoved = _unrefined(model, batch, noise)
    first = refined(model, batch, unmoved, noise)
    yield first
    if not first.latents:
        return  # log p(x) is exact: more of it is the same
    width = max((site.dist.width for site in first.observed), default=1)
    chunk = max(1, CHUNK // (width * batch_size(batch)))
    reusable = all(len(unmoved.q[name].dist.batch_shape) < 2 for name in first.latents)
    for start in steps(range(1, k, chunk)):
        n = min(chunk, k - start)
        if reusable:
            yield refined(model, batch, _redraw(model, batch, unmoved, n, noise), noise)
        else:
            yield infer(model, batch, n, noise=noise)


def _redraw(model: Model, batch: Batch, first: Evidence, k: int, noise: Noise) -> Evidence:
    """More samples of q's sites, without running recognition again."""
    size = first.q.lead[1]
    q = Trace(k, size, first.q.given, noise=noise)
    for site in first.q.sites.values():
        q(site.name, site.dist)
    p = Trace(k, size, ChainMap(q.values, dict(batch)), noise=noise)
    model.generate(p, batch)
    return Evidence(p, q, first.latents)
