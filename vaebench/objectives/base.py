"""Objectives: bounds, weights and detaching."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from vaebench.data import Batch
from vaebench.distributions import Noise
from vaebench.errors import Incompatible
from vaebench.inference import Outline
from vaebench.models import Model
from vaebench.nets.base import Regularised
from vaebench.nets.weights import AdaptiveNoise
from vaebench.objectives.estimators import Draws
from vaebench.trace import Evidence

WITHOUT_NOISE = (nn.RNNBase, nn.RNNCellBase, nn.Embedding)


@dataclass
class Estimate:
    """What an objective says about a batch.

    Attributes:
        loss: scalar, mean over the batch; its gradient is the estimator's.
        terms: honest quantities per example `[B]`, without gradients: `bound`, `recon`, `kl`;
            a state of the objective, such as a multiplier, is a scalar.
        evidence: what the quantities were read from, for those who measure more of it.
    """

    loss: Tensor
    terms: dict[str, Tensor]
    evidence: Evidence


class Objective(nn.Module, ABC):
    """A bound on log p(x) and how to estimate its gradient.

    Built as `Objective(model, outline)`, called as `objective(model, batch, step)`. Losses are means
    over examples: with N training examples, N · loss estimates the cost of the whole data set from
    a minibatch of M (the N/M of Kingma, Welling 2014, eq. 8), so a term that belongs to the data
    set as a whole enters the loss divided by N.

    Args:
        k: samples of q per example.
    """

    has_bound: ClassVar[bool] = True
    """Whether `bound` is reported; without one there is no likelihood to evaluate either."""

    needs_latents: ClassVar[bool] = True
    """Whether it is about latents; without any, log p(x) itself is what there is to optimise."""

    rescores: str = ""
    """The part, if any, that scores samples of q under q again, as given values."""

    draws: Draws = "pathwise"
    """What it asks of q."""

    draws_part: str = "objective"
    """The part that asks it."""

    dreams: bool = False
    """Whether q learns from data that p makes up."""

    def __init__(self, model: Model, outline: Outline, *, k: int) -> None:
        super().__init__()
        if k < 1:
            raise Incompatible(f"k={k}: at least one sample per example")
        self.k, self.size = k, outline.spec.size
        self.regularised = [m for m in model.modules() if isinstance(m, Regularised)]
        self.noisy = [m for m in model.modules() if isinstance(m, AdaptiveNoise)]
        self.notes = [*dict.fromkeys(m.note for m in self.regularised)]
        if self.noisy and any(isinstance(m, WITHOUT_NOISE) for m in model.modules()):
            self.notes.append("recurrent nets and embeddings have weights without noise")

    @abstractmethod
    def estimate(self, model: Model, batch: Batch, step: Tensor) -> Estimate:
        """The estimate without data-set-wide terms."""

    def forward(self, model: Model, batch: Batch, step: Tensor) -> Estimate:
        """Loss and terms of a batch; `step` is the 0-dim training step, for schedules."""
        normal = Noise().normal
        for layer in self.noisy:
            layer.draw(normal)
        estimate = self.estimate(model, batch, step)
        for module in self.regularised:
            estimate.loss = estimate.loss + module.penalty() / self.size
        return estimate

    def groups(self) -> list[dict[str, Any]]:
        """Optimizer groups of the objective's own parameters; none by default."""
        return []


def honest_terms(bound: Tensor, evidence: Evidence) -> dict[str, Tensor]:
    """`bound`, `recon` = E_q log p(x|z) and the sampled `kl` = recon - E_q log w, each `[B]`."""
    recon = evidence.recon.detach().mean(0)
    kl = recon - evidence.log_w.detach().mean(0)
    return {"bound": bound.detach(), "recon": recon, "kl": kl}
