"""How far a bound is from log p(x), and whose fault that is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vaebench.data import Batch
from vaebench.distributions import Noise
from vaebench.inference import Annealing, batch_size, drawn, infer, log_mean_exp, simulate
from vaebench.inference.codes import conditions
from vaebench.inference.freeform import Parameters, emitted, infer_at, optimise
from vaebench.measures.base import Inapplicable, Measure, Numbers, Subject, joined, mean_and_se
from vaebench.measures.likelihood import Importance, mean_error, sampling_metrics
from vaebench.models import Model
from vaebench.progress import steps

CHUNKS = 20
"""Parts in which samples of a bound come, to bound memory and to see their spread."""


@dataclass
class InferenceGap(Measure):
    """log p(x) - L[q] = `approximation_gap` + `amortisation_gap`, in nats.

    With q* the best member of q's family for each example, the approximation gap is log p(x) -
    L[q*]: what a richer posterior would gain. The amortisation gap is L[q*] - L[q]: what a better
    encoder would gain. q* varies what the encoder's net emits; weights of the posterior's head
    itself, such as an autoregressive flow's, stay as they are.

    log p(x) is L_k with q* as its proposal, a lower bound: look at `ess`. `_mc_se` are Monte Carlo
    errors of the gaps for these examples, from independent parts; there is none of the
    approximation gap where `ess_few` examples have too few effective samples.

    References:
        Inference Suboptimality in Variational Autoencoders (Cremer, Li, Duvenaud 2018)
    """

    examples: int = 50
    k: int = 5000
    steps: int = 500
    samples: int = 16
    lr: float = 0.05

    def need(self, subject: Subject) -> None:
        subject.need_bound()
        need_continuous(subject)
        emitted(subject.model, subject.batch(1))

    def numbers(self, subject: Subject) -> Numbers:
        model, batch, noise = subject.model, subject.batch(self.examples), subject.noise(4)
        own = emitted(model, batch)
        best = optimise(model, batch, k=self.samples, steps=self.steps, lr=self.lr, noise=noise)
        at_own, _ = self._bound(model, batch, own, subject.noise(5))
        at_best, log_w = self._bound(model, batch, best, subject.noise(5))
        ess = 1 / log_w.softmax(0).square().sum(0)
        found = Importance(log_mean_exp(log_w), ess, len(log_w))
        numbers = {"log_p": found.log_p.mean().item()}
        numbers |= {"bound": at_own.mean().item(), "best_bound": at_best.mean().item()}
        amortisation = at_best - at_own
        numbers |= mean_and_se(approximation_gap=found.log_p - at_best.mean(0))
        variance = found.variance + at_best.var(0) / CHUNKS
        numbers |= sampling_metrics(ess, "approximation_gap", variance)
        numbers |= mean_and_se(amortisation_gap=amortisation.mean(0))
        numbers["amortisation_gap_mc_se"] = mean_error(amortisation.var(0) / CHUNKS)
        return numbers | {"k": len(log_w), "examples": batch_size(batch)}

    @torch.no_grad()
    def _bound(
        self, model: Model, batch: Batch, parameters: Parameters, noise: Noise
    ) -> tuple[Tensor, Tensor]:
        """The bound of each part `[CHUNKS, B]`, and log w of all samples `[k, B]`."""
        each = -(-self.k // CHUNKS)
        bounds, weights = [], []
        for _ in steps(range(CHUNKS), "bound"):
            evidence = infer_at(model, batch, parameters, each, noise)
            bounds.append(evidence.elbo)
            weights.append(evidence.log_w)
            del evidence  # before the next: one part's decoder output at a time
        return torch.stack(bounds), torch.cat(weights)


def need_continuous(subject: Subject) -> None:
    """For what moves latents along gradients.

    Raises:
        Inapplicable: they are discrete.
    """
    evidence = infer(subject.model, subject.batch(1), 1)
    discrete = [name for name in subject.latents if evidence.p[name].dist.is_discrete]
    if discrete:
        raise Inapplicable(f"latent {discrete[0]} is discrete")


@dataclass
class AnnealedImportance(Measure):
    """log p(x) by annealed importance sampling, without the encoder.

    On data simulated from the model `simulated_lower` ≤ log p(x) ≤ `simulated_upper` in
    expectation, the upper bound from the reversed chain that starts at the latents the data came
    from: their `gap` says how far to trust `nll`, the (upper) estimate on real examples.

    References:
        Grosse, Ancha, Roy 2016; Wu, Burda, Salakhutdinov, Grosse 2017
    """

    examples: int = 20
    chains: int = 16
    temperatures: int = 200
    leapfrog: int = 5

    def need(self, subject: Subject) -> None:
        subject.need_bound()
        need_continuous(subject)

    def numbers(self, subject: Subject) -> Numbers:
        model, batch, noise = subject.model, subject.batch(self.examples), subject.noise(6)
        given = conditions(model, batch)
        p = simulate(model, batch_size(batch), given, noise)
        latents, observed = subject.roles
        made = given | {name: drawn(p, name) for name in observed}
        z = {name: drawn(p, name).unsqueeze(0) for name in latents}
        annealing = Annealing(model, self.chains, self.temperatures, self.leapfrog, noise)
        annealing.tune(made)
        both = {name: joined([made[name], batch[name]]) for name in made}
        lower, real = log_mean_exp(annealing.forward(both)).chunk(2)
        upper = -log_mean_exp(-annealing.backward(made, z))
        columns = {"simulated_lower": lower, "simulated_upper": upper}
        return mean_and_se(**columns, gap=upper - lower, nll=-real) | {
            "accepted": annealing.accepted,
            "temperatures": self.temperatures,
            "chains": self.chains,
            "examples": batch_size(batch),
        }
