"""Likelihoods by importance sampling."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from vaebench.data import Batch
from vaebench.distributions import Noise
from vaebench.heads import Likelihood
from vaebench.inference import batch_size, strata, stream
from vaebench.measures.base import Measure, Numbers, Subject, mean_and_se, over_batches
from vaebench.models import Model

LARGEST = 700.0  # nats, whose exp is still a float
LEAST = -3e38  # a float of less than any weight's logarithm that is one

SAMPLING = ("nll_mc_se", "ess", "ess_min", "ess_few")
"""What `sampling_metrics` says of `nll`."""

ENOUGH = 10
"""Effective samples of an example below which its `variance` says too little of its error."""


@dataclass(frozen=True)
class Importance:
    """What K importance samples say of each example.

    Attributes:
        log_p: L_K = log 1/K Σ_i w_i, `[B]`: a lower bound on log p(x) in expectation.
        ess: effective sample size (Σ w)² / Σ w², between 1 and K, `[B]` (Kong 1992).
        k: how many samples there are, K or, of classes that are summed over, K of each; 1 where there
            are no latents, and log p(x) is exact.
    """

    log_p: Tensor
    ess: Tensor
    k: int

    @property
    def variance(self) -> Tensor:
        """Monte Carlo variance of L_K to first order, Var(w) / (K E[w]²) = 1/ESS - 1/K, `[B]`."""
        return (1 / self.ess - 1 / self.k).clamp(min=0)


@torch.no_grad()
def importance(model: Model, batch: Mapping[str, Tensor], k: int, noise: Noise) -> Importance:
    """K samples of q as importance samples of p(x).

    They come in chunks, so that memory does not grow with K; the encoder runs once. Classes c that
    stand beside latents of another kind are summed over, with K samples of z at each: L_K =
    log Σ_c 1/K Σ_i p(x, z_i, c) / q(z_i | x, c). Its effective samples are those of all draws
    together, which is a little less than a sum of strata is worth.

    Raises:
        ValueError: for k < 1.

    References:
        Importance Weighted Autoencoders (Burda, Grosse, Salakhutdinov 2016), eq. 8
    """
    if k < 1:
        raise ValueError(f"k={k}: at least one sample")
    total = torch.zeros(batch_size(batch), device=next(iter(batch.values())).device)
    top, squares, drawn, sums = total + LEAST, total, 0, 0
    # Sums of w / e^top, which nothing overflows, go on from chunk to chunk. Were something kept of
    # each, it would lie in the memory that the chunk took, and the next one would ask for more.
    for known in strata(model, batch):
        sums += 1
        for evidence in stream(model, known, k, noise):
            log_w = evidence.log_w
            before, top = top, torch.maximum(top, log_w.amax(0))
            w, shrunk = (log_w - top).exp(), (before - top).exp()
            total = shrunk * total + w.sum(0)
            squares = shrunk.square() * squares + w.square().sum(0)
            drawn += len(log_w)
    ess = (total.square() / squares).clamp(1, drawn)
    return Importance(total.log() + top - math.log(drawn / sums), ess, drawn)


def log_likelihood(model: Model, batch: Mapping[str, Tensor], k: int, noise: Noise) -> Tensor:
    """L_K, `[B]`."""
    return importance(model, batch, k, noise).log_p


def sampling_metrics(ess: Tensor, name: str, variance: Tensor) -> Numbers:
    """Effective samples of the examples `[N]`: their mean, their least, how many examples have fewer
    than `ENOUGH`; and, where none has, `name`'s Monte Carlo error.

    Where q misses what weighs most, the weights that were drawn are alike in missing it: one sample
    counts, and L_K is nats below log p(x) while its variance to first order is at most 1.

    Args:
        name: a mean over the examples.
        variance: of each example's estimate, `[N]`.
    """
    few = int((ess < ENOUGH).sum())
    found: Numbers = {} if few else {f"{name}_mc_se": mean_error(variance)}
    return found | {"ess": ess.mean().item(), "ess_min": ess.min().item(), "ess_few": few}


def mean_error(variances: Tensor) -> float:
    """Standard error of a mean of independent estimates with these variances `[N]`."""
    return (variances.double().sum().sqrt() / len(variances)).item()


def likelihood_metrics(log_p: Tensor, model: Model, units: Mapping[str, Tensor]) -> Numbers:
    """`nll` in nats, its standard error over examples, bits per dimension and perplexities.

    A perplexity is exp of the nats per unit, a ratio of sums over all examples. That per token, end
    tokens among them, is the usual one; where ends are not counted, the same nats are shared out
    over fewer.

    Args:
        log_p: log-likelihoods of the examples, `[N]`; of one example there is no error.
        model: tells whether its likelihood has bits per dimension on these data.
        units: name → how many of them each example is made of, `[N]`.
    """
    metrics = mean_and_se(nll=-log_p)
    for name, count in units.items():
        total = int(count.sum())
        per_unit = -log_p.double().sum().item() / max(1, total)
        metrics["perplexity" + name.removeprefix("tokens")] = math.exp(min(per_unit, LARGEST))
        metrics[name] = total
    heads = [module for module in model.modules() if isinstance(module, Likelihood)]
    parts = {part for head in heads for part in head.modules() if part is not head}
    whole = [head for head in heads if head not in parts]
    bits = whole[0].bits_per_nat() if len(whole) == 1 else None
    if bits is not None:
        metrics["bpd"] = metrics["nll"] * bits[0] + bits[1]
    return metrics


@dataclass
class ImportanceSampling(Measure):
    """-L_K, how sure it is, and how many samples counted.

    `nll_se` is the error over examples: how far another test set would be. `nll_mc_se` is that of
    Monte Carlo: how far other samples of q would be, for these examples. Where `ess_few` of them
    have fewer than 10 effective samples there is none: L_K may lie well below log p(x). Without
    latents L_K is log p(x), and no sample counts.

    With `weight_samples` S it is of log 1/S Σ_s exp L_K(x; W_s) over S nets W_s drawn from q(weights),
    a lower bound in expectation on the log of p(x) with its weights integrated out under q, and
    effective samples are of nets. Otherwise weights are their means.
    """

    k: int = 5000
    examples: int = 0
    weight_samples: int = 0

    def need(self, subject: Subject) -> None:
        subject.need_bound()

    def numbers(self, subject: Subject) -> Numbers:
        if self.weight_samples:
            return self._over_nets(subject)
        data, noise = subject.composition.data, subject.noise()
        k = self.k if subject.roles[0] else 1

        def run(batch: Batch) -> Batch:
            found = importance(subject.model, batch, k, noise)
            columns = {"log_p": found.log_p, "ess": found.ess, "variance": found.variance}
            exact = subject.composition.exact_log_prob(batch)
            known = {} if exact is None else {"exact": exact.to(found.log_p)}
            return columns | known | data.units(batch)

        units = over_batches(subject.batches(self.examples), run)
        log_p, ess, variance = (units.pop(name) for name in ("log_p", "ess", "variance"))
        exact = units.pop("exact", None)
        subject.kept["nll"] = -log_p
        numbers = likelihood_metrics(log_p, subject.model, units)
        if subject.roles[0]:
            numbers |= sampling_metrics(ess, "nll", variance)
        numbers["k"] = k
        if exact is not None:
            numbers["exact_nll"] = -exact.double().mean().item()
        return numbers | {"examples": len(log_p)}

    def _over_nets(self, subject: Subject) -> Numbers:
        """The same of an average over nets."""
        data, noise = subject.composition.data, subject.noise()
        k = self.k if subject.roles[0] else 1

        def run(batch: Batch) -> Batch:
            log_p = log_likelihood(subject.model, batch, k, noise)
            return {"log_p": log_p.double()} | data.units(batch)

        found = [
            over_batches(subject.batches(self.examples), run)
            for _ in subject.nets(self.weight_samples, noise)
        ]
        each = torch.stack([one.pop("log_p") for one in found])
        log_p, ess = averaged(each)
        subject.kept["nll"] = -log_p
        numbers = likelihood_metrics(log_p, subject.model, found[0])
        numbers |= sampling_metrics(ess, "nll", torch.zeros_like(ess))
        if "nll_mc_se" in numbers:
            numbers["nll_mc_se"] = common_error(each)
        return numbers | {"k": k, "weight_samples": len(each), "examples": len(log_p)}


def averaged(log_w: Tensor) -> tuple[Tensor, Tensor]:
    """log 1/S Σ_s w_s and the effective number (Σ w)² / Σ w² of them, of `[S, N]`."""
    log_p = log_w.logsumexp(0) - math.log(len(log_w))
    return log_p, (2 * log_w.logsumexp(0) - (2 * log_w).logsumexp(0)).exp()


def common_error(log_w: Tensor) -> float:
    """Standard error of the mean over examples of log 1/S Σ_s w_s, to first order, where all examples
    may see the same draws: that of the mean over s of 1/N Σ_n w_sn / w̄_n.

    Args:
        log_w: `[S, N]`, S > 1.
    """
    shares = (log_w - averaged(log_w)[0]).exp().mean(1)
    return (shares.std() / math.sqrt(len(shares))).item()
