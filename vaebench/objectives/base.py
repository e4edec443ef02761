"""Objectives: bounds, weights and detaching."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vaebench.data import Batch
from vaebench.distributions import GLOBAL, Noise
from vaebench.errors import Incompatible
from vaebench.inference import Outline
from vaebench.models import Model
from vaebench.nets.base import Regularised
from vaebench.nets.weights import WeightNoise
from vaebench.objectives.bounds import Bound, Mean
from vaebench.objectives.estimators import Draws
from vaebench.trace import Evidence

NO_LATENTS = "this objective is about latents, and this model has none: its log p(x) is exact."
"""Why it is refused there."""

WITHOUT_NOISE = (nn.RNNBase, nn.RNNCellBase, nn.Embedding)


@dataclass
class Estimate:
    """What an objective says about a batch.

    Attributes:
        loss: scalar, mean over the batch; its gradient is the estimator's.
        terms: honest quantities per example `[B]`, without gradients: `bound`, `recon`, `kl`;
            a state of the objective, such as a multiplier, is a scalar.
        evidence: what the quantities were read from, for those who measure more of it.
        state: new values of the objective's buffers, such as moving averages, by name.
    """

    loss: Tensor
    terms: dict[str, Tensor]
    evidence: Evidence
    state: dict[str, Tensor] = field(default_factory=dict)


class Objective(nn.Module, ABC):
    """A bound on log p(x) and how to estimate its gradient.

    Built as `Objective(model, outline)`, called as `objective(model, batch, step, noise)`: a pure
    function of parameters, buffers, and what it is given. Losses are means over examples: with N
    training examples, N · loss estimates the cost of the whole data set from a minibatch of M (the
    N/M of Kingma, Welling 2014, eq. 8), so a term that belongs to the data set as a whole enters
    the loss divided by N.

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

    label: str = ""
    """The label that the latent class is made to be; empty: what it is, is nobody's matter."""

    own: Mapping[str, tuple[int, ...]] = MappingProxyType({})
    """Factor of the data → dimensions of the code that are made to be its own."""

    bound: Bound = Mean()
    """What it makes of the samples' terms."""

    dreams: bool = False
    """Whether q learns from data that p makes up."""

    def __init__(self, model: Model, outline: Outline, *, k: int) -> None:
        super().__init__()
        if k < 1:
            raise Incompatible(f"k={k}: at least one sample per example")
        self.k, self.size = k, outline.spec.size
        self.regularised = [m for m in model.modules() if isinstance(m, Regularised)]
        self.noisy = [m for m in model.modules() if isinstance(m, WeightNoise)]
        self.notes = [*dict.fromkeys(m.note for m in self.regularised)]
        if self.noisy and any(isinstance(m, WITHOUT_NOISE) for m in model.modules()):
            self.notes.append("recurrent nets and embeddings have weights without noise")

    @abstractmethod
    def estimate(self, model: Model, batch: Batch, step: Tensor, noise: Noise) -> Estimate:
        """The estimate without data-set-wide terms."""

    def forward(self, model: Model, batch: Batch, step: Tensor, noise: Noise = GLOBAL) -> Estimate:
        """Loss and terms of a batch.

        Args:
            step: the 0-dim training step, for schedules.
            noise: where every draw comes from.
        """
        with self.weights_drawn(noise):
            estimate = self.estimate(model, batch, step, noise)
            for module in self.regularised:
                share = module.penalty() / self.size
                estimate.loss = estimate.loss + share
                if module.term:
                    told = estimate.terms.get(module.term, torch.zeros_like(share))
                    estimate.terms[module.term] = told + share.detach()
        return estimate

    @torch.no_grad()
    def keep(self, state: Mapping[str, Tensor]) -> None:
        """Takes the state that a step of training left over to the next."""
        for name, value in state.items():
            self.get_buffer(name).copy_(value)

    @contextmanager
    def weights_drawn(self, noise: Noise) -> Iterator[None]:
        """While open, weights have noise. What is shared is drawn once: who scores again sees the same."""
        for layer in self.noisy:
            layer.draw(noise)
        try:
            yield
        finally:
            for layer in self.noisy:
                layer.forget()

    @contextmanager
    def nets_drawn(self, noise: Noise) -> Iterator[None]:
        """While open, an evaluation sees nets drawn from q(weights) instead of their means."""
        with self.weights_drawn(noise):
            for layer in self.noisy:
                layer.train()
            try:
                yield
            finally:
                for layer in self.noisy:
                    layer.eval()

    def groups(self) -> list[dict[str, Any]]:
        """Optimizer groups of the objective's own parameters; none by default."""
        return []


def honest_terms(bound: Tensor, evidence: Evidence) -> dict[str, Tensor]:
    """`bound`, `recon` = E_q log p(x|z) and the sampled `kl` = recon - E_q log w, each `[B]`."""
    recon = evidence.average(evidence.recon.detach())
    kl = recon - evidence.average(evidence.log_w.detach())
    return {"bound": bound.detach(), "recon": recon, "kl": kl}
