"""The expectation itself, where q has few values."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import ClassVar

import torch
from torch import Tensor

from vaebench.data import Batch
from vaebench.distributions import LISTED, Noise
from vaebench.errors import Incompatible
from vaebench.inference import all_values, batch_size, infer_at_values
from vaebench.models import Model
from vaebench.objectives.bounds import Bound
from vaebench.objectives.estimators.base import Draws, Estimand, Estimator, Read, Sampled, summed
from vaebench.trace import Evidence

TUPLES = 2**17
"""Ways in which k samples can fall among them."""


class Enumerate(Estimator):
    """E_q[B(f_1, …, f_k)] = Σ_{z_1} … Σ_{z_k} Π_i q(z_i | x) B(f_1, …, f_k), over all values of q's
    discrete latents, and its gradient: nothing is sampled.

    Latents that are not discrete keep their path: each value, and each of the k samples, sees a draw
    of its own, and the sum is without bias.
    """

    draws: ClassVar[Draws] = "enumerated"

    def __init__(self, of: Estimand) -> None:
        super().__init__(of)
        dists = dict(zip(of.outline.latents, of.outline.q, strict=True))
        self.names = tuple(name for name, dist in dists.items() if dist.is_discrete)
        self.samples_others = len(self.names) < len(dists)
        if not self.names:
            raise Incompatible(
                "this estimator sums over discrete latents, and this posterior has none.",
                "estimator",
                "posterior",
            )
        if of.bound.separate and of.k > 1 and not self.samples_others:
            raise Incompatible(
                f"k={of.k}: a sum over all values needs no samples.", "estimator", options=("k=1",)
            )
        try:
            every = all_values({name: dists[name] for name in self.names})
        except Incompatible as error:
            raise _too_many(str(error)) from error
        self.count = len(every[self.names[0]])
        if self.count > LISTED:
            raise _too_many(f"there are {self.count}, and at most {LISTED} are listed")
        for name, values in every.items():
            self.register_buffer(f"values_{name}", values, persistent=False)

    def forward(
        self, model: Model, batch: Batch, k: int, read: Read, bound: Bound, noise: Noise
    ) -> Sampled:
        draws, size = self._draws(k), batch_size(batch)
        values = {name: self._values_of(name, draws, size) for name in self.names}
        evidence = infer_at_values(model, batch, values, noise)
        evidence.weights = self._log_q(evidence).detach().exp() / draws
        return Sampled(self.value(bound, summed(read(evidence)), evidence, k), evidence)

    def value(self, bound: Bound, f: Tensor, evidence: Evidence, k: int) -> Tensor:
        return self._expected(bound, f, self._log_q(evidence), k)

    def _draws(self, k: int) -> int:
        """Of latents that are not discrete, at each value."""
        return k if self.samples_others else 1

    def _log_q(self, evidence: Evidence) -> Tensor:
        """log q of the discrete latents, `[draws · V, B]`."""
        return reduce(add, (evidence.q[name].log_prob for name in self.names))

    def _values_of(self, name: str, draws: int, size: int) -> Tensor:
        """`[draws · V, B, *event]`."""
        values = self.get_buffer(f"values_{name}")
        repeated = values.repeat(draws, *(1 for _ in values.shape[1:])).unsqueeze(1)
        return repeated.expand(-1, size, *values.shape[1:])

    def _expected(self, bound: Bound, f: Tensor, log_q: Tensor, k: int) -> Tensor:
        """E B of f and log q at every value, `[draws · V, B]` each → `[B]`."""
        draws = self._draws(k)
        if bound.separate or k == 1:
            return (log_q.exp() * f).sum(0) / draws
        if self.count**k > TUPLES:
            raise Incompatible(
                f"this estimator sums over {self.count}^{k} ways in which k={k} samples can fall, at "
                f"most {TUPLES}.",
                "estimator",
                options=("k=1", "k=2"),
            )
        tuples = torch.cartesian_prod(*[torch.arange(self.count, device=f.device)] * k).T
        # Sample i looks at draws of its own, where something is drawn.
        rows = tuples + self.count * torch.arange(k, device=f.device)[:, None] * (draws > 1)
        probability = log_q[rows].sum(0).exp()
        return (probability * bound.value(f[rows].flatten(1)).view_as(probability)).sum(0)


def _too_many(why: str) -> Incompatible:
    return Incompatible(
        f"this estimator sums over all values of the latents: {why}.",
        "estimator",
        options=("model.latent_dim=8", "model.layers=[5,3]"),
    )
