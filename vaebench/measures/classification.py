"""How well a model tells the label that it observes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from vaebench.data import Batch, Support
from vaebench.distributions import LabelLogits, Noise
from vaebench.inference import batch_size, infer
from vaebench.measures.base import (
    Inapplicable,
    Measure,
    Numbers,
    Subject,
    mean_and_se,
    over_batches,
)
from vaebench.models import Model
from vaebench.objectives.semi_supervised import CLASS
from vaebench.trace import Evidence

BINS = 15


@dataclass
class Classification(Measure):
    """`error`: the share of examples whose most probable label is wrong; `brier`: the mean of
    Σ_c (p_c - [y = c])² (Brier 1950); `calibration`: the expected calibration error.

    They are of p(y | ·) itself, of models without latents, whatever their conditions are; of its mean
    over `draws` of the latents, where nothing is inferred of these; or of q(c | x), where the
    objective made the latent class c to be the label. With `weight_samples` they are
    of the average over so many nets drawn from q(weights), otherwise of the net of their means.
    """

    examples: int = 0
    weight_samples: int = 0
    draws: int = 10

    def need(self, subject: Subject) -> None:
        label_of(subject)

    @torch.no_grad()
    def numbers(self, subject: Subject) -> Numbers:
        each, y = _of_nets(
            subject, self.weight_samples, self.examples, subject.noise(10), self.draws
        )
        found = scored(each.mean(0), y)
        subject.kept["error"] = found["error"]
        drawn = {"weight_samples": self.weight_samples} if self.weight_samples else {}
        return _summary(found) | drawn


@dataclass
class Predictive(Measure):
    """The same of 1/S Σ_s p(y | x, W_s), an average over S nets drawn from q(weights), and `nll`:
    -log of it at the label; `entropy`: its entropy in nats, and `information`, the part of that which
    is between nets: its entropy less the mean of theirs (Houlsby, Huszár, Ghahramani, Lengyel 2011).

    References:
        Weight Uncertainty in Neural Networks (Blundell, Cornebise, Kavukcuoglu, Wierstra 2015),
        https://arxiv.org/abs/1505.05424
    """

    samples: int = 20
    examples: int = 0

    def need(self, subject: Subject) -> None:
        label_of(subject)
        if not subject.composition.objective.noisy:
            raise Inapplicable("the weights have no noise: every net is the same")

    @torch.no_grad()
    def numbers(self, subject: Subject) -> Numbers:
        each, y = _of_nets(subject, self.samples, self.examples, subject.noise(13))
        p = each.mean(0)
        entropy = entropy_of(p)
        found = scored(p, y) | {
            "nll": -p.gather(1, y.unsqueeze(1))[:, 0].log(),
            "entropy": entropy,
            "information": entropy - entropy_of(each).mean(0),
        }
        return _summary(found) | {"samples": self.samples}


def _of_nets(
    subject: Subject, samples: int, examples: int, noise: Noise, draws: int = 1
) -> tuple[Tensor, Tensor]:
    """p(y | ·) by each of so many nets, `[S, N, L]`, and y `[N]`."""
    label = label_of(subject)

    def run(batch: Batch) -> Batch:
        p = probabilities(subject.model, batch, label, noise, draws)
        return {"p": p, "y": batch[label]}

    found = [over_batches(subject.batches(examples), run) for _ in subject.nets(samples, noise)]
    return torch.stack([one["p"] for one in found]), found[0]["y"]


def label_of(subject: Subject) -> str:
    """The label whose probabilities a model tells.

    Raises:
        Inapplicable: there is none.
    """
    if label := subject.composition.objective.label:
        return label
    fields, (latents, observed) = subject.composition.data.spec.fields, subject.roles
    scalars = [name for name in observed if not fields[name].shape]
    labels = [name for name in scalars if fields[name].support is Support.LABEL]
    if len(labels) != 1:
        told = " and ".join(labels) or "none"
        raise Inapplicable(f"one label is to be observed, and the model observes {told}")
    if latents and not subject.model.q_is_prior:
        raise Inapplicable(f"the model has latents, and no {labels[0]} of known probability")
    return labels[0]


def scored(p: Tensor, y: Tensor) -> dict[str, Tensor]:
    """`error`, `brier` and `confidence` of each example, `[N]`.

    Args:
        p: probabilities, `[N, L]`.
        y: labels, `[N]`.
    """
    confidence, best = p.max(1)
    brier = (p - F.one_hot(y, p.shape[1])).square().sum(1)
    return {"error": (best != y).to(p), "brier": brier, "confidence": confidence}


def _summary(found: dict[str, Tensor]) -> Numbers:
    """Means and the calibration error."""
    confidence = found.pop("confidence")
    numbers = mean_and_se(**found)
    numbers["calibration"] = calibration_error(confidence, 1 - found["error"])
    return numbers | {"examples": len(confidence)}


def entropy_of(p: Tensor) -> Tensor:
    """-Σ_c p_c log p_c, `[*, L]` → `[*]`."""
    return -torch.xlogy(p, p).sum(-1)


def probabilities(model: Model, batch: Batch, label: str, noise: Noise, draws: int = 1) -> Tensor:
    """Of each class, `[B, L]`: p(y | ·), or q(c | x) where y is not observed; where p draws latents by
    itself, the mean over so many draws."""
    k = draws if model.q_is_prior else 1
    evidence = infer(model, batch, k, noise=noise)
    return _of_evidence(evidence, label).expand(k, batch_size(batch), -1).mean(0)


def _of_evidence(evidence: Evidence, label: str) -> Tensor:
    if label not in evidence.p:
        return evidence.q[CLASS].dist.mean
    dist = evidence.p[label].dist
    if not isinstance(dist, LabelLogits):
        raise Inapplicable(f"{type(dist).__name__} tells no probabilities of labels")
    return dist.probabilities


def calibration_error(confidence: Tensor, right: Tensor) -> float:
    """Σ_b n_b/N |accuracy_b - mean confidence_b| over 15 equal bins of the confidence max_c p_c.

    Args:
        confidence: of each example, `[N]`.
        right: 1 where its most probable label is right, else 0, `[N]`.

    References:
        On Calibration of Modern Neural Networks (Guo, Pleiss, Sun, Weinberger 2017),
        https://arxiv.org/abs/1706.04599
    """
    confidence = confidence.double()
    place = ((confidence * BINS).ceil().long() - 1).clamp(0, BINS - 1)
    gaps = confidence.new_zeros(BINS).index_add(0, place, right.to(confidence) - confidence)
    return (gaps.abs().sum() / len(confidence)).item()
