"""All values of discrete latents, where they are few."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from vaebench.data import Batch
from vaebench.distributions import Distribution, Noise
from vaebench.inference.infer import batch_size
from vaebench.models import Model
from vaebench.trace import Trace


def all_values(dists: Mapping[str, Distribution]) -> dict[str, Tensor]:
    """Every combination of the values of some discrete latents, by name `[V, *event]`.

    Raises:
        Incompatible: a latent has more than 1024 values.
    """
    each = [dist.values() for dist in dists.values()]
    grid = torch.meshgrid(*(torch.arange(len(v), device=v.device) for v in each), indexing="ij")
    return {n: v[i.flatten()] for n, v, i in zip(dists, each, grid, strict=True)}


def discrete_beside_others(q: Mapping[str, Distribution]) -> dict[str, Distribution]:
    """The discrete ones of some latents where others are not: a sum over them leaves something to
    sample. Nothing where all are of one kind."""
    discrete = {name: dist for name, dist in q.items() if dist.is_discrete}
    return discrete if len(discrete) < len(q) else {}


@torch.no_grad()
def strata(model: Model, batch: Batch) -> Iterator[Batch]:
    """The batch with each combination of values of the discrete latents that stand beside others;
    the batch alone where there are none."""
    one = {name: value[:1] for name, value in batch.items()}
    device = next(iter(one.values())).device
    unread = Noise(torch.Generator(device).manual_seed(0))  # what is drawn is looked at by nobody
    q = Trace(1, 1, one, noise=unread)
    model.recognise(q, one)
    if not (discrete := discrete_beside_others({site.name: site.dist for site in q.drawn})):
        yield batch
        return
    values = all_values(discrete)
    for rows in zip(*values.values(), strict=True):
        known = zip(values, rows, strict=True)
        yield {**batch, **{n: v.expand(batch_size(batch), *v.shape) for n, v in known}}
