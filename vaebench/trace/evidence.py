"""Two traces of one batch, read as importance weights."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce
from operator import add

import torch
from torch import Tensor

from vaebench.distributions import has_kl, kl_divergence
from vaebench.errors import Incompatible
from vaebench.trace.trace import Site, Trace


def total(terms: Iterable[Tensor]) -> Tensor | None:
    """Sum that starts from its first term; None for no term at all."""
    terms = list(terms)
    return reduce(add, terms) if terms else None


@dataclass
class Evidence:
    """What p and q say about a batch.

    log w = Σ log p over p's given sites - Σ log q over the latents. A site that p had to draw
    itself cancels against its own proposal and does not count.

    Attributes:
        p: the generative program's trace.
        q: the recognition program's trace.
        latents: names of the sites whose values q drew.
        correction: what else log w is to be reduced by, `[k, B]`: log-densities of q's auxiliary
            variables less those of the model's; None: there are none.
        weights: how much each sample counts in a mean over q, `[k, B]`, where samples are all values
            that there are; None: all the same.
    """

    p: Trace
    q: Trace
    latents: tuple[str, ...]
    correction: Tensor | None = None
    weights: Tensor | None = None
    _kls: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)

    @property
    def observed(self) -> list[Site]:
        """p's sites whose value is data."""
        return [s for s in self.p.sites.values() if s.given and s.name not in self.latents]

    @property
    def log_w(self) -> Tensor:
        """log importance weights log p(x, z) - log q(z | x), `[k, B]`."""
        log_p = total(site.log_prob for site in self.p.sites.values() if site.given)
        if log_p is None:
            raise Incompatible("nothing is observed: no site of the model is in the batch")
        log_w = log_p - self.log_q if self.latents else log_p
        return log_w if self.correction is None else log_w - self.correction

    @property
    def elbo(self) -> Tensor:
        """E_q log p(x, z) - log q(z | x), `[B]`, with the KL in closed form where there is one."""
        if self.kl_obstacle() is None:
            return (self.recon - self.kl()).mean(0)
        return self.log_w.mean(0)

    @property
    def log_q(self) -> Tensor:
        """log q(z | x) of the latents, of which there is at least one, `[k, B]`."""
        return reduce(add, (self.q[name].log_prob for name in self.latents))

    @property
    def recon(self) -> Tensor:
        """log p(x | z) of the observed sites, `[k, B]`."""
        recon = total(site.log_prob for site in self.observed)
        if recon is None:
            raise Incompatible("nothing is observed: no site of the model is in the batch")
        return recon

    def average(self, x: Tensor) -> Tensor:
        """E_q of what the samples say, `[k, B, *]` → `[B, *]`."""
        if self.weights is None:
            return x.mean(0)
        return (self.weights.view(*self.weights.shape, *(1 for _ in x.shape[2:])) * x).sum(0)

    def kl_obstacle(self) -> str | None:
        """Why KL(q ‖ p) has no closed form here; None where it has one."""
        if self.correction is not None:
            return "q has auxiliary variables"
        visits = [name for name in self.p.sites if name in self.latents]
        if visits != list(self.latents):
            return f"q visits latents in the order {list(self.latents)}, p in {visits}"
        for name in self.latents:
            q, p = self.q[name].dist, self.p[name].dist
            if not has_kl(q, p):
                names = f"{type(q).__name__} ‖ {type(p).__name__}"
                return f"KL({names}) at site {name!r} has no closed form"
        return None

    def kl(self) -> Tensor:
        """Σ KL(q(z_i | ·) ‖ p(z_i | ·)) in closed form, `[k, B]`; needs `kl_obstacle() is None`."""
        kl = total(self.kl_at(name) for name in self.latents)
        return self.recon.new_zeros(self.q.lead) if kl is None else kl

    def kl_at(self, name: str) -> Tensor:
        """KL(q ‖ p) of one latent in closed form, `[k, B]`; computed at the first reading."""
        if name not in self._kls:
            site = self.q[name]
            kl = kl_divergence(site.dist, self.p[name].dist)
            # A q that does not read x: one number, the same for every example.
            self._kls[name] = site.spread(kl if kl.ndim else kl.expand(1, self.q.lead[1]))
        return self._kls[name]

    def kl_by_dimension(self, name: str) -> Tensor | None:
        """KL(q_d ‖ p_d) of each of the D dimensions of one latent, or of its one-hot variables,
        `[*batch, D]`; None where the KL is no such sum, or has no closed form."""
        both = [trace[name].dist for trace in (self.q, self.p)]
        q, p = (dist.factors() for dist in both)
        if q is None or p is None or not has_kl(q, p):
            return None
        lead = torch.broadcast_shapes(*(dist.batch_shape for dist in both))
        return kl_divergence(q, p).reshape(*lead, -1)
