"""Latents with a meaning: in batches of which one factor varies, the latents of all others are clamped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from vaebench.data import LABELLED, Batch, Support
from vaebench.distributions import Distribution, Noise
from vaebench.errors import Incompatible
from vaebench.inference import Outline
from vaebench.models import Model, RecognitionFirst
from vaebench.objectives.anneal import Anneal
from vaebench.objectives.base import Estimate, Objective
from vaebench.objectives.estimated import MakesEstimator
from vaebench.objectives.estimators import auto, with_gradient_of
from vaebench.objectives.inner import Inner, inner
from vaebench.objectives.weighing import Weighing
from vaebench.trace import Evidence, Trace

Rule = Literal["clamp", "variance"]
Counted = Literal["all", "active"]


def spread(z: Tensor, active: Tensor) -> Tensor:
    """½ Σ_i (z_i - E[z_i])² of the inactive latents, with the mean over the batch held constant: its
    gradient with respect to z_i is z_i - E[z_i].

    Args:
        z: `[*, B, D]`.
        active: 1 of active latents, else 0, `[D]`.

    Returns:
        `[*, B]`.
    """
    apart = z - z.detach().mean(-2, keepdim=True)
    return (apart.square() * (1 - active)).sum(-1) / 2


def clamped(z: Tensor, active: Tensor) -> Tensor:
    """The inactive latents of z `[*, B, D]` at their mean over the batch, as a constant."""
    return torch.where(active > 0, z, z.detach().mean(-2, keepdim=True))


class Clamping(Trace):
    """A trace whose visitor goes on with another value of one latent than the site keeps.

    Args:
        trace: which keeps the sites.
        latent: its name.
        active: which of its dimensions go on as they are, `[D]`.
    """

    def __init__(self, trace: Trace, latent: str, active: Tensor) -> None:
        how: dict[str, Any] = {"reparam": trace.reparam, "relax": trace.relax, "noise": trace.noise}
        super().__init__(*trace.lead, trace.given, **how)
        self.sites, self.values = trace.sites, trace.values
        self.latent, self.active = latent, active

    def __call__(self, name: str, dist: Distribution) -> Tensor:
        value = super().__call__(name, dist)
        return clamped(value, self.active) if name == self.latent else value


class Clamped(RecognitionFirst):
    """A model whose generation sees the inactive latents at their means over the batch; what it scores
    of the latents themselves is as it was.

    Args:
        model: one whose recognition ends before its generation begins.
        latent, active: of every `Clamping`.
    """

    def __init__(self, model: Model, latent: str, active: Tensor) -> None:
        super().__init__()
        self.model, self.latent, self.active = model, latent, active

    def recognise(self, q: Trace, batch: Batch) -> None:
        self.model.recognise(q, batch)

    def generate(self, p: Trace, batch: Batch) -> None:
        self.model.generate(Clamping(p, self.latent, self.active), batch)


class InverseGraphics(Objective):
    """A bound of a VAE each of whose factors has latents of its own, in batches in which one factor
    varies: the others' latents are inactive. What varies is read off the factors of the batch.

    With `clamp`, p sees inactive latents at their mean over the batch, whose gradient is replaced by
    scale · (z_i - E[z_i]): as p sees a constant, this is the gradient of a penalty, which is added at
    the value 0. With `variance`, p sees all latents as they are, and the loss is larger by scale · Σ_i
    Var[z_i]: a gradient of twice as much. It holds of each example's own loss, whose mean the loss is.

    An evaluation clamps nothing: the bound there is that of the VAE.

    Args:
        k, estimator: of every `Estimated` objective.
        bound: of evidence, or of k importance weights.
        latents: factor → how many latents are its own, from the first latent on. The rest is all
            other factors' together.
        rule: what becomes of inactive latents.
        scale: ≥ 0, the paper's 1/100.
        kl_of: latents that the loss has the KL of: `all`, of q as it is; or `active`: of none that is
            clamped.
        beta, anneal: of every `ELBO`.

    Raises:
        Incompatible: the data have no such factors, the model not so many latents in one vector that
            follows a path, or their KL is no sum where only some of it counts.

    References:
        Deep Convolutional Inverse Graphics Network (Kulkarni, Whitney, Kohli, Tenenbaum 2015),
        https://arxiv.org/abs/1503.03167, section 3.2
    """

    owner: Tensor

    def __init__(
        self,
        model: Model,
        outline: Outline,
        *,
        k: int,
        estimator: MakesEstimator = auto,
        bound: Inner,
        latents: Mapping[str, int],
        rule: Rule,
        scale: float,
        kl_of: Counted,
        beta: float,
        anneal: Anneal,
    ) -> None:
        super().__init__(model, outline, k=k)
        if scale < 0:
            raise Incompatible(f"objective.scale={scale}: must not be negative")
        self.latent, width = _vector(model, outline)
        self.factors, self.others = _factors(outline, latents)
        self.register_buffer("owner", _owners(latents, width), persistent=False)
        self.own = {
            name: tuple((self.owner == number).nonzero().flatten().tolist())
            for number, name in enumerate(self.factors)
        }
        options: dict[str, Any] = {"k": k, "estimator": estimator, "beta": beta, "anneal": anneal}
        self.within = inner(bound, model, outline, **options)
        if self.within.draws != "pathwise":
            raise Incompatible(
                "this objective's rule is a gradient along the path of samples, which this estimator "
                "does not follow.",
                "estimator",
                "posterior",
            )
        self.draws, self.draws_part = self.within.draws, self.within.draws_part
        self.rescores = self.within.rescores
        self.rule, self.scale, self.active_only = rule, scale, kl_of == "active"
        self.weighing = Weighing(beta, anneal)
        if self.active_only:
            self._check_parts(outline, bound)
        seen = "clamped latents" if rule == "clamp" else "all latents"
        told = f"train/bound is of {seen}, an evaluation's of latents as they are"
        self.notes = [*self.within.notes, told]

    def estimate(self, model: Model, batch: Batch, step: Tensor, noise: Noise) -> Estimate:
        if not self.training:
            return self.within.estimate(model, batch, step, noise)
        active = self.active(batch)
        shown = Clamped(model, self.latent, active) if self.rule == "clamp" else model
        found = self.within.estimate(shown, batch, step, noise)
        found.loss = found.loss + self._penalty(found.evidence, active)
        if self.active_only:
            found.loss = found.loss - self._uncounted(found.evidence, active, step)
        found.terms["active"] = active.sum()
        return found

    def active(self, batch: Batch) -> Tensor:
        """1 of the latents of what varies in a batch, else 0, `[D]`."""
        varies = [_varies(batch, [name]) for name in self.factors]
        each = torch.stack([*varies, _varies(batch, self.others)])
        return each[self.owner].to(torch.get_default_dtype())

    def _penalty(self, evidence: Evidence, active: Tensor) -> Tensor:
        """Over the batch, a scalar."""
        z = evidence.q[self.latent].value
        apart = self.scale * evidence.average(spread(z, active)).mean()
        return (
            with_gradient_of(torch.zeros_like(apart), apart) if self.rule == "clamp" else 2 * apart
        )

    def _uncounted(self, evidence: Evidence, active: Tensor, step: Tensor) -> Tensor:
        """The inactive latents' part of the loss's KL, a scalar."""
        kl = evidence.kl_by_dimension(self.latent)
        assert kl is not None  # the constructor made sure
        weight = self.weighing.at(step, training=self.training)
        return (1.0 if weight is None else weight.beta) * (kl * (1 - active)).sum(-1).mean()

    def _check_parts(self, outline: Outline, bound: Inner) -> None:
        """Of a KL that is to be taken apart."""
        parts = (
            outline.kl_obstacle is None
            and outline.evidence.kl_by_dimension(self.latent) is not None
        )
        if bound == "iwae" or self.weighing.tempers or self.within.drops_score or not parts:
            raise Incompatible(
                "objective.kl_of=active needs a KL in closed form that is a sum over latents, which "
                "this bound, posterior, prior and anneal do not have together.",
                options=("objective.kl_of=all",),
            )

    def groups(self) -> list[dict[str, Any]]:
        return self.within.groups()


def _varies(batch: Batch, names: list[str]) -> Tensor:
    """Whether any of some factors has two values in a batch, a scalar."""
    found = [(batch[name] != batch[name][:1]).any() for name in names]
    return torch.stack(found).any()


def _vector(model: Model, outline: Outline) -> tuple[str, int]:
    """The name and the width of the latent.

    Raises:
        Incompatible: it is not the one latent of its model, no vector, or moved by a refinement.
    """
    shapes = [tuple(dist.event_shape) for dist in outline.q]
    if not isinstance(model, RecognitionFirst) or len(shapes) != 1 or len(shapes[0]) != 1:
        raise Incompatible(
            "this objective clamps some of one vector of latents, which this model has none of.",
            "model",
            "objective",
        )
    if model.refine is not None:
        raise Incompatible(
            "this objective clamps latents of q's own samples, which this refine moves.",
            "refine",
            "objective",
        )
    return outline.latents[0], shapes[0][0]


def _factors(outline: Outline, latents: Mapping[str, int]) -> tuple[list[str], list[str]]:
    """Factors with latents of their own, and all others.

    Raises:
        Incompatible: there are none of either, or no such factor, or none that varies alone.
    """
    fields = outline.spec.fields.items()
    every = [n for n, f in fields if f.support is Support.LABEL and not f.shape and n != LABELLED]
    if len(every) < 2:
        raise Incompatible(
            "this objective is of data of several factors, and the data hold "
            f"{', '.join(outline.spec.fields)}.",
            "objective",
        )
    others = [name for name in every if name not in latents]
    if not latents or not {*latents} < {*every} or min(latents.values()) < 1:
        told = ",".join(f"{name}:{count}" for name, count in latents.items())
        most = ",".join(f"{name}:1" for name in every[1:])
        raise Incompatible(
            f"objective.latents={{{told}}}: at least one latent of some, not all, of {', '.join(every)}.",
            options=(f"objective.latents={{{most}}}",),
        )
    if missing := [name for name in latents if name not in outline.spec.alone]:
        shares = ",".join(f"{name}:1" for name in every)
        raise Incompatible(
            f"in no batch of the data {missing[0]} varies alone, so that no latent would be clamped.",
            options=(f"dataset.vary={{{shares}}}", f"dataset.factors=[{','.join(every)}]"),
        )
    return [*latents], others


def _owners(latents: Mapping[str, int], width: int) -> Tensor:
    """The number of the factor that each latent is of, `[D]`; the last number is of all others."""
    taken = sum(latents.values())
    if taken >= width:
        raise Incompatible(
            f"this objective gives {taken} latents to factors, and this model has {width}.",
            options=(f"model.latent_dim={taken + 1}",),
        )
    counts = torch.tensor([*latents.values(), width - taken])
    return torch.arange(len(counts)).repeat_interleave(counts)
