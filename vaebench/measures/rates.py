"""What the latents carry: rate, distortion and mutual information."""

from __future__ import annotations

import math
from collections import ChainMap
from dataclasses import dataclass

import torch
from torch import Tensor

from vaebench.data import Batch
from vaebench.errors import Incompatible
from vaebench.inference import batch_size, infer
from vaebench.measures.base import (
    Inapplicable,
    Measure,
    Numbers,
    Subject,
    mean_and_se,
    over_batches,
)
from vaebench.measures.latents import Latents
from vaebench.models import Model
from vaebench.progress import steps
from vaebench.trace import Evidence, Trace

ENTRIES = 4_000_000
"""Numbers in one chunk of a table of densities."""


@dataclass
class RateDistortion(Measure):
    """`rate` R = E KL(q(z | x) ‖ p(z)), `distortion` D = -E_q log p(x | z) and `bound` = -(R + D).

    References:
        Fixing a Broken ELBO (Alemi, Poole, Fischer, Dillon, Saurous, Murphy 2018)
    """

    k: int = 10
    examples: int = 0

    def need(self, subject: Subject) -> None:
        subject.need_bound()
        _ = subject.latents

    @torch.no_grad()
    def numbers(self, subject: Subject) -> Numbers:
        noise = subject.noise(1)

        def run(batch: Batch) -> Batch:
            evidence = infer(subject.model, batch, self.k, noise=noise)
            value, recon = evidence.elbo, evidence.recon.mean(0)
            return {"bound": value, "rate": recon - value, "distortion": -recon}

        found = over_batches(subject.batches(self.examples), run)
        return mean_and_se(**found) | {"examples": len(found["bound"])}


@dataclass
class Units(Measure):
    """`active_units`: dimensions with Var_x(E_q[z_d | x]) > 0.01 (Burda, Grosse, Salakhutdinov 2016),
    and the KL of each dimension, where the KL is a sum over them; of classes, those of variables."""

    examples: int = 0

    def need(self, subject: Subject) -> None:
        _ = subject.latents

    @torch.no_grad()
    def numbers(self, subject: Subject) -> Numbers:
        noise, latents = subject.noise(2), Latents(subject.model)
        for batch in subject.batches(self.examples):
            latents.add(batch, infer(subject.model, batch, 1, noise=noise))
        dimensions = sum(v.numel() for v in latents.variances.values())
        return {"active_units": latents.active, "dimensions": dimensions} | latents.divergences


@dataclass
class Information(Measure):
    """`mutual_information` I_q(x; z) = E[log q(z | x) - log q(z)] and `marginal_kl` KL(q(z) ‖ p(z)),
    whose sum is the rate; q(z) = 1/N Σ_x q(z | x) over the examples.

    With N examples I is at most log N, the `ceiling`: near it, the true value may be larger.

    References:
        ELBO Surgery (Hoffman, Johnson 2016)
    """

    examples: int = 1000

    def need(self, subject: Subject) -> None:
        subject.need_bound()
        _ = subject.latents
        if conditions := subject.composition.report.conditions:
            told = ", ".join(conditions)
            raise Inapplicable(f"under {told} the prior may be another one at each example")
        if subject.model.refine is not None:
            raise Inapplicable("refined samples have no density log q(z | x) of their own")
        self._marginal(subject, subject.batch(1))

    @torch.no_grad()
    def _marginal(self, subject: Subject, batch: Batch) -> tuple[Evidence, Tensor]:
        """A draw of each example's latents, and the log q(z) of it, `[B]`."""
        evidence = infer(subject.model, batch, 1, noise=subject.noise(3))
        z = {name: evidence.q[name].value[0] for name in subject.latents}
        try:
            return evidence, aggregate_posterior(subject.model, batch, z)
        except Incompatible as error:
            told = f"log q(z) needs the posterior's density at a given z: {error}"
            raise Inapplicable(told) from error

    @torch.no_grad()
    def numbers(self, subject: Subject) -> Numbers:
        batch = subject.batch(self.examples)
        (evidence, marginal), n = self._marginal(subject, batch), batch_size(batch)
        own, prior = (
            torch.stack([trace[name].log_prob[0] for name in subject.latents]).sum(0)
            for trace in (evidence.q, evidence.p)
        )
        numbers = mean_and_se(mutual_information=own - marginal, marginal_kl=marginal - prior)
        return numbers | {"ceiling": math.log(n), "examples": n}


def aggregate_posterior(model: Model, batch: Batch, z: dict[str, Tensor]) -> Tensor:
    """log q(z_i) = log 1/N Σ_j q(z_i | x_j), `[M]`.

    Args:
        batch: the N examples.
        z: M values of each latent, `[M, *event]`.

    Raises:
        Incompatible: the posterior has no density at a given value.
    """
    n, width = batch_size(batch), sum(value[0].numel() for value in z.values())
    chunk = max(1, ENTRIES // (n * width))
    found = []
    for start in steps(range(0, len(next(iter(z.values()))), chunk)):
        # Each z is a sample of the k axis, scored under every example's q.
        some = {name: value[start : start + chunk].unsqueeze(1) for name, value in z.items()}
        wide = {name: v.expand(-1, n, *v.shape[2:]) for name, v in some.items()}
        q = Trace(len(next(iter(wide.values()))), n, ChainMap(wide, dict(batch)))
        model.recognise(q, batch)
        log_q = torch.stack([q[name].log_prob for name in z]).sum(0)
        found.append(log_q.logsumexp(1) - math.log(n))
    return torch.cat(found)
