"""log p(x, z) of a batch as a function of the latents."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add

import torch
from torch import Tensor

from vaebench.inference.leapfrog import Point
from vaebench.models import Model
from vaebench.trace import Trace


@dataclass
class Target:
    """log p(z) and log p(x | z) of a batch, at any z `[k, B, *event]`."""

    model: Model
    batch: Mapping[str, Tensor]

    def __call__(self, z: Point) -> tuple[Tensor, Tensor]:
        """log p(z) and log p(x | z), each `[k, B]`."""
        lead = next(iter(z.values())).shape[:2]
        p = Trace(lead[0], lead[1], ChainMap(z, dict(self.batch)))
        self.model.generate(p, self.batch)
        prior = [site.log_prob for name, site in p.sites.items() if name in z]
        seen = [site.log_prob for name, site in p.sites.items() if site.given and name not in z]
        return reduce(add, prior), reduce(add, seen)

    @torch.no_grad()
    def log_likelihood(self, z: Point) -> Tensor:
        """log p(x | z), `[k, B]`."""
        return self(z)[1]
