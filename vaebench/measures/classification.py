"""How well a model tells the label that it observes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from vaebench.data import Batch, Support
from vaebench.distributions import LabelLogits
from vaebench.inference import batch_size, infer
from vaebench.measures.base import (
    Inapplicable,
    Measure,
    Numbers,
    Subject,
    mean_and_se,
    over_batches,
)
from vaebench.objectives.semi_supervised import CLASS
from vaebench.trace import Evidence

BINS = 15


@dataclass
class Classification(Measure):
    """`error`: the share of examples whose most probable label is wrong; `brier`: the mean of
    Σ_c (p_c - [y = c])² (Brier 1950); `calibration`: the expected calibration error.

    They are of p(y | ·) itself, of models without latents, whatever their conditions are; of its
    mean over `draws` of the latents, where nothing is inferred of these; or of q(c | x), where the
    objective made the latent class c to be the label.
    """

    examples: int = 0
    draws: int = 10

    def need(self, subject: Subject) -> None:
        self._label(subject)

    def _label(self, subject: Subject) -> str:
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

    @torch.no_grad()
    def numbers(self, subject: Subject) -> Numbers:
        label, noise = self._label(subject), subject.noise(10)
        k = self.draws if subject.model.q_is_prior else 1

        def run(batch: Batch) -> Batch:
            evidence, y = infer(subject.model, batch, k, noise=noise), batch[label]
            p = _probabilities(evidence, label).expand(k, batch_size(batch), -1).mean(0)
            brier = (p - F.one_hot(y, p.shape[1])).square().sum(1)
            confidence, best = p.max(1)
            return {"error": (best != y).to(p), "brier": brier, "confidence": confidence}

        found = over_batches(subject.batches(self.examples), run)
        confidence = found.pop("confidence")
        subject.kept["error"] = found["error"]
        numbers = mean_and_se(**found)
        numbers["calibration"] = calibration_error(confidence, 1 - found["error"])
        return numbers | {"examples": len(confidence)}


def _probabilities(evidence: Evidence, label: str) -> Tensor:
    """Of each class, `[*, L]`: p(y | ·), or q(c | x) where y is not observed."""
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
