"""Neural variational inference and learning: a signal and a baseline for each layer of q."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from vaebench.data import Batch
from vaebench.distributions import Noise
from vaebench.inference import infer
from vaebench.models import Model
from vaebench.objectives.baselines import DECAY, HIDDEN, Learned
from vaebench.objectives.bounds import Bound
from vaebench.objectives.estimators.base import (
    Draws,
    Estimand,
    Estimator,
    Read,
    Sampled,
    summed,
    with_gradient_of,
    within,
)


class NVIL(Estimator):
    """Σ_l (f^l - b_l(x)) ∂ log q_l + ∂f, for the mean of f over samples.

    f^l holds the terms of f that latent l, or one drawn from it, enters; b_l is a net of the data
    and a running mean. Which terms a latent enters is found in the dry run, by following gradients. The
    paper also divides each layer's signal by its running deviation: that rescales the gradient,
    which Adam would undo, and is left out so that the gradient is the bound's own.

    Args:
        hidden: width of the hidden layer of b_l's net.
        decay: how much of its weight in the mean a batch keeps at the next one, in [0, 1].

    References:
        Neural Variational Inference and Learning in Belief Networks (Mnih, Gregor 2014),
        https://arxiv.org/abs/1402.0030
    """

    draws: ClassVar[Draws] = "score"
    rescores: ClassVar[bool] = True
    separate: ClassVar[bool | None] = True

    def __init__(self, of: Estimand, *, hidden: int = HIDDEN, decay: float = DECAY) -> None:
        super().__init__(of)
        self.moves = of.outline.entered(of.read(of.outline.evidence))
        make = partial(Learned, of.outline, hidden=hidden, decay=decay)
        self.baselines = nn.ModuleDict({name: make() for name in self.moves})

    def forward(
        self, model: Model, batch: Batch, k: int, read: Read, bound: Bound, noise: Noise
    ) -> Sampled:
        evidence = infer(model, batch, k, reparam=False, noise=noise)
        terms = read(evidence)
        value = bound.value(summed(terms))
        surrogate, penalties, state = value, [], dict[str, Tensor]()
        for name, moved in self.moves.items():
            now = {n: terms[n].detach() for n in moved if n in terms}  # an annealing may be over
            signal = bound.share(summed(now))
            b = self.baselines[name](signal, model, batch, evidence)
            surrogate = surrogate + ((signal - b.value) * evidence.q[name].log_prob).sum(0)
            penalties.append(b.loss)
            state |= within(f"baselines.{name}", b.state)
        penalty = torch.stack(penalties).sum() if penalties else None
        return Sampled(with_gradient_of(value, surrogate), evidence, penalty, state)
