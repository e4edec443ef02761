"""Baselines of the score function: what is subtracted from its signal, at no cost in bias."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from vaebench.data import PAD, Batch, Field, Support
from vaebench.errors import Incompatible
from vaebench.inference import Outline, scores
from vaebench.models import Model
from vaebench.nets.join import vector
from vaebench.nets.join import width as vector_width
from vaebench.objectives.bounds import mean_of_others
from vaebench.trace import Evidence

DECAY = 0.95
HIDDEN = 100


@dataclass
class Value:
    """A baseline at a batch.

    Attributes:
        value: broadcastable to `[k, B]`, without gradients.
        loss: of its own parameters, scalar; None: it has none.
        state: new values of its buffers, by name, where it is being trained.
    """

    value: Tensor
    loss: Tensor | None = None
    state: dict[str, Tensor] = field(default_factory=dict)


class Baseline(nn.Module, ABC):
    """b(x), or what earlier batches say of the signal. Built as `Baseline(outline)`."""

    at_least: int = 1
    """Samples of each example that it needs."""

    def __init__(self, outline: Outline) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, signal: Tensor, model: Model, batch: Batch, evidence: Evidence) -> Value:
        """The baseline of a signal `[k, B]`, which has no gradients."""


class Nothing(Baseline):
    """0."""

    def forward(self, signal: Tensor, model: Model, batch: Batch, evidence: Evidence) -> Value:
        return Value(torch.zeros_like(signal))


class Constant(Baseline):
    """A number.

    Args:
        value: b, in nats.
    """

    value: Tensor

    def __init__(self, outline: Outline, *, value: float) -> None:
        super().__init__(outline)
        self.register_buffer("value", torch.tensor(value), persistent=False)

    def forward(self, signal: Tensor, model: Model, batch: Batch, evidence: Evidence) -> Value:
        return Value(self.value)


class LeaveOneOut(Baseline):
    """The mean signal of the other samples of the same example, where each sample has its own.

    References:
        Variational Inference for Monte Carlo Objectives (Mnih, Rezende 2016)
        Buy 4 REINFORCE Samples, Get a Baseline for Free! (Kool, van Hoof, Welling 2019)
    """

    at_least = 2

    def forward(self, signal: Tensor, model: Model, batch: Batch, evidence: Evidence) -> Value:
        return Value(mean_of_others(signal))


class RunningMean(nn.Module):
    """A moving average over batches, Σ_t d^(T-t) x_t / Σ_t d^(T-t).

    Args:
        shape: of what is averaged.
        decay: d; 1 is the plain mean of all.
    """

    total: Tensor
    weight: Tensor

    def __init__(self, shape: tuple[int, ...], decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("total", torch.zeros(shape))
        self.register_buffer("weight", torch.zeros(()))

    def after(self, x: Tensor, name: str) -> dict[str, Tensor]:
        """Its buffers once a batch has said x; as if it had not where x is no number, which would
        stay for good.

        Args:
            name: of this average, where it stands.
        """
        x = x.detach().to(self.total.dtype)
        good = x.isfinite().all().to(self.weight.dtype)
        x = torch.nan_to_num(x, 0.0, 0.0, 0.0)
        return {
            f"{name}.total": self.total * self.decay + x * good,
            f"{name}.weight": self.weight * self.decay + good,
        }

    def read(self, otherwise: Tensor) -> Tensor:
        """The average; before the first batch something else."""
        found = self.weight > 0
        return torch.where(found, self.total / self.weight.clamp(min=1e-12), otherwise)


class Running(Baseline):
    """The mean signal of earlier batches; at the first batch, that of the other examples.

    Args:
        decay: how much of its weight a batch keeps at the next one, in [0, 1].

    References:
        Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning
        (Williams 1992)
    """

    def __init__(self, outline: Outline, *, decay: float) -> None:
        super().__init__(outline)
        self.mean = RunningMean((), _decay(decay))

    def forward(self, signal: Tensor, model: Model, batch: Batch, evidence: Evidence) -> Value:
        state = self.mean.after(signal.mean(), "mean") if self.training else {}
        return Value(self.mean.read(others(signal)), state=state)


class Optimal(Baseline):
    """b* = E[B s²] / E[s²], the constant that leaves the least variance, from earlier batches.

    s² is the squared length of q's score ∂ log q / ∂(what q's nets emit), so that no pass through
    the nets is needed.

    Args:
        decay: how much of its weight a batch keeps at the next one, in [0, 1].

    References:
        Lecture slides of CSC 2541 (Toronto 2016); Variance Reduction Techniques for Gradient
        Estimates in Reinforcement Learning (Greensmith, Bartlett, Baxter 2004)
    """

    def __init__(self, outline: Outline, *, decay: float) -> None:
        super().__init__(outline)
        self.products, self.squares = RunningMean((), _decay(decay)), RunningMean((), _decay(decay))

    def forward(self, signal: Tensor, model: Model, batch: Batch, evidence: Evidence) -> Value:
        first = others(signal)
        products = self.products.read(first)
        value = torch.where(
            self.squares.weight > 0, products / self.squares.read(torch.ones_like(first)), first
        )
        if not self.training:
            return Value(value)
        squares = scores(model, batch, evidence).square()
        state = self.products.after((signal * squares).mean(), "products")
        return Value(value, state=state | self.squares.after(squares.mean(), "squares"))


class Learned(Baseline):
    """b(x) + c: a net of the data and of their conditions, fitted to the signal by least squares, and
    a running mean.

    Args:
        hidden: width of the net's hidden layer.
        decay: how much of its weight in the mean a batch keeps at the next one, in [0, 1].

    References:
        Neural Variational Inference and Learning in Belief Networks (Mnih, Gregor 2014),
        https://arxiv.org/abs/1402.0030
    """

    def __init__(self, outline: Outline, *, hidden: int = HIDDEN, decay: float = DECAY) -> None:
        super().__init__(outline)
        if hidden < 1:
            raise Incompatible(f"baseline.hidden={hidden}: at least 1")
        names = (*outline.observed, *outline.conditions)
        self.fields = {name: outline.spec[name] for name in names}
        self.read = nn.ModuleDict({n: _reader(f, hidden) for n, f in self.fields.items()})
        last = nn.Linear(hidden, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.net = nn.Sequential(nn.Tanh(), last)
        self.mean, self.square = RunningMean((), _decay(decay)), RunningMean((), _decay(decay))

    def forward(self, signal: Tensor, model: Model, batch: Batch, evidence: Evidence) -> Value:
        read = torch.stack(
            [layer(_numbers(batch[n], self.fields[n])) for n, layer in self.read.items()]
        )
        centre = self.mean.read(others(signal))
        spread = self.spread(signal)
        b = self.net(read.sum(0)).squeeze(-1)
        # In units of the signal's spread, so that the net's steps do not depend on its scale.
        error = (signal - centre) / spread - b
        state = {}
        if self.training:
            state = self.mean.after(signal.mean(), "mean")
            state |= self.square.after(signal.square().mean(), "square")
        return Value(centre + spread * b.detach(), error.square().mean(), state)

    def spread(self, signal: Tensor) -> Tensor:
        """Standard deviation of the signal over earlier batches, at least 0.01; 1 before any."""
        mean = self.mean.read(torch.zeros_like(signal[0, 0]))
        variance = self.square.read(torch.ones_like(mean)) - mean.square()
        return variance.clamp(min=1e-4).sqrt()


def _reader(data: Field, width: int) -> nn.Module:
    """A linear layer of an example's numbers, or of how often each token stands in it."""
    if data.support is Support.TOKENS:
        return nn.EmbeddingBag(data.levels, width, mode="mean", padding_idx=PAD)
    return nn.Linear(vector_width(data), width)


def _numbers(values: Tensor, data: Field) -> Tensor:
    """What a reader is given of an example."""
    return values if data.support is Support.TOKENS else vector(values, data)


def _decay(value: float) -> float:
    if not 0 <= value <= 1:
        raise Incompatible(f"baseline.decay={value}: must lie in [0, 1]")
    return value


def others(signal: Tensor) -> Tensor:
    """The mean signal of the other examples `[1, B]`; of a single one, 0.

    Not of the example's other samples: under an importance-weighted bound they share one signal.
    """
    k, size = signal.shape
    return (signal.sum() - signal.sum(0, keepdim=True)) / max(1, k * (size - 1))
