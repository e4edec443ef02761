"""Semi-supervised learning: a bound for images without a label, one for those with, and a classifier."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Literal

import torch
from torch import Tensor

from vaebench.data import LABELLED, Batch
from vaebench.distributions import Noise
from vaebench.errors import Incompatible
from vaebench.inference import Outline, batch_size, infer_at_values
from vaebench.models import Model
from vaebench.objectives.base import Estimate, Objective
from vaebench.objectives.bounds import Bound, LogMeanExp, Mean
from vaebench.objectives.estimators import Draws
from vaebench.objectives.regularizers import Divergence
from vaebench.suggest import override
from vaebench.trace import Evidence

CLASS = "c"
"""The latent that is a class, one-hot."""

Inner = Literal["elbo", "iwae"]


class SemiSupervised(Objective):
    """J = (1 - s) E_u[U(x)] + s E_l[B_y(x)] + α E_l[log q(c = y | x)], to be maximised.

    B_c(x) bounds log p(x, c), for each class c from k samples of z ~ q(z | x, c): the evidence lower
    bound E[log p(x | z, c)] + log p(c) - KL(q(z | x, c) ‖ p(z)), or log 1/k Σ_i p(x, z_i, c) /
    q(z_i | x, c). Without a label log p(x) ≥ U(x) = Σ_c q(c | x) (B_c(x) - log q(c | x)), exact in c.

    E_u and E_l are means over the examples of a batch without and with a label, s is the share of
    those with one in the training split: however many of them a batch holds, N · J estimates the
    paper's objective of all N examples, where α's term has the weight α N. Its α of 0.1 · N is 0.1
    here. In an evaluation no label is known: the loss is -E[U].

    Args:
        k: samples of z for each class of each example.
        bound: B_c.
        alpha: α ≥ 0.

    References:
        Semi-supervised Learning with Deep Generative Models (Kingma, Rezende, Mohamed, Welling
        2014), https://arxiv.org/abs/1406.5298, eq. 6 to 9
    """

    draws: Draws = "enumerated"
    share: Tensor
    values: Tensor

    def __init__(
        self, model: Model, outline: Outline, *, k: int, bound: Inner, alpha: float
    ) -> None:
        super().__init__(model, outline, k=k)
        if alpha < 0:
            raise Incompatible(f"objective.alpha={alpha}: must not be negative")
        self.classes, self.label, self.alpha = _classes(outline), _label(outline), alpha
        levels = outline.spec[self.label].levels
        if levels > self.classes:
            raise Incompatible(
                f"this model has {self.classes} classes, and {self.label} of the data {levels}.",
                "model",
                options=(override("model.classes", levels),),
            )
        self.others = [name for name in outline.latents if name != CLASS]
        self.bound: Bound = Mean() if bound == "elbo" else LogMeanExp()
        self.divergence = Divergence("auto" if bound == "elbo" else "mc", outline)
        self.notes.extend(self.divergence.notes)
        self.register_buffer("values", torch.eye(self.classes), persistent=False)
        self.register_buffer("share", _share(outline), persistent=False)

    def estimate(self, model: Model, batch: Batch, step: Tensor, noise: Noise) -> Estimate:
        size = batch_size(batch)
        # Rows of the k axis: all classes of the first sample, then of the next.
        values = self.values.repeat(self.k, 1).unsqueeze(1).expand(-1, size, -1)
        evidence = infer_at_values(model, batch, {CLASS: values}, noise)
        log_q_rows = evidence.q[CLASS].log_prob
        evidence.weights = log_q_rows.detach().exp() / self.k
        bounds, log_q = (
            self.bound.value(self._of_classes(self._read(evidence))),
            log_q_rows[: self.classes],
        )
        unlabelled = (log_q.exp() * (bounds - log_q)).sum(0)
        recon = evidence.average(evidence.recon.detach())
        terms = {"bound": unlabelled.detach(), "recon": recon, "kl": recon - unlabelled.detach()}
        if not self.training:
            terms["error"] = (log_q.argmax(0) != batch[self.label]).to(recon)
            return Estimate(-unlabelled.mean(), terms, evidence)
        chosen = batch[self.label].unsqueeze(0)
        labelled, known = (rows.gather(0, chosen)[0] for rows in (bounds, log_q))
        return Estimate(self._loss(unlabelled, labelled, known, batch), terms, evidence)

    def _loss(self, unlabelled: Tensor, labelled: Tensor, log_q: Tensor, batch: Batch) -> Tensor:
        """-J of U, B_y and log q(c = y | x), `[B]` each."""
        has = torch.ones_like(log_q)
        if LABELLED in batch:
            has = batch[LABELLED].to(log_q)
        lacks, s = 1 - has, self.share
        of_all = (1 - s) * _mean(unlabelled, lacks) + s * _mean(labelled, has)
        return -of_all - self.alpha * _mean(log_q, has)

    def _read(self, evidence: Evidence) -> Tensor:
        """log p(x, z, c) - log q(z | x, c), with KL(q(z | x, c) ‖ p(z)) in closed form where B_c may
        have it, `[k · C, B]`."""
        charges = [self.divergence.at(evidence, name) for name in self.others]
        joint = evidence.recon + evidence.p[CLASS].log_prob
        return joint - reduce(add, charges) if charges else joint

    def _of_classes(self, rows: Tensor) -> Tensor:
        """`[k · C, B]` → `[k, C, B]`."""
        return rows.unflatten(0, (self.k, self.classes))


def _mean(terms: Tensor, which: Tensor) -> Tensor:
    """Over the examples `[B]` of which `which` is 1; of none it is 0."""
    return (which * terms).sum() / which.sum().clamp(min=1)


def _classes(outline: Outline) -> int:
    """C of the latent class.

    Raises:
        Incompatible: there is none, or another latent has no path.
    """
    q = dict(zip(outline.latents, outline.q, strict=True))
    if CLASS not in q or q[CLASS].event_shape.numel() != q[CLASS].classes:
        raise Incompatible(
            f"this objective sums over a latent class {CLASS}, which this model has none of.",
            "model",
            "objective",
        )
    for name, dist in q.items():
        if name != CLASS and dist.is_discrete:
            raise Incompatible(
                f"this objective sums over {CLASS} alone and samples the rest along its path; this "
                f"posterior infers {dist.kind} at site {name!r}.",
                "posterior",
                "objective",
            )
    return q[CLASS].classes


def _label(outline: Outline) -> str:
    """The label that the class stands for.

    Raises:
        Incompatible: the data have none, or the model reads it.
    """
    label = outline.spec.label
    if label is None:
        raise Incompatible(
            "this objective learns from labels, and the data have none.", "objective"
        )
    if (role := outline.roles[label]) != "extra":
        raise Incompatible(
            f"this objective learns what {CLASS} is from {label}, which is {role} in this model.",
            "objective",
            "model",
        )
    return label


def _share(outline: Outline) -> Tensor:
    """s, of the training examples."""
    if LABELLED not in outline.spec.fields:
        return torch.ones(())
    mean = outline.spec[LABELLED].mean
    if mean is None:
        raise Incompatible(
            f"this objective needs to know how often {LABELLED} of the data is 1.", "objective"
        )
    return mean[1].to(torch.get_default_dtype()).clone()
