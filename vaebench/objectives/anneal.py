"""Annealing: the share in [0, 1] of the KL weight β, or of log p(x, z), that a training step uses."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from vaebench.errors import Refusal


class Anneal(ABC):
    """A function of the step alone, so that a resumed run needs no state of it."""

    constant: bool = False
    """Whether it is 1 throughout."""

    tempers: bool = False
    """Whether it is a share of log p(x, z), an inverse temperature, instead of one of β."""

    @abstractmethod
    def __call__(self, step: Tensor) -> Tensor:
        """The share at a 0-dim step, 0-dim."""


class Constant(Anneal):
    """1."""

    constant = True

    def __call__(self, step: Tensor) -> Tensor:
        return torch.ones((), device=step.device)


class Linear(Anneal):
    """min(1, step / steps).

    Args:
        steps: at least 0; 0: no annealing, for grids of some runs with it and some without.
    """

    def __init__(self, *, steps: int) -> None:
        if steps < 0:
            raise Refusal(f"anneal.steps={steps}: at least 0")
        self.steps, self.constant = steps, steps == 0

    def __call__(self, step: Tensor) -> Tensor:
        return ((step + self.constant) / max(1, self.steps)).clamp(max=1.0)


class Sigmoid(Anneal):
    """sigmoid((step - midpoint) / width): ½ at the midpoint.

    Args:
        midpoint: in steps.
        width: in steps, positive.

    References:
        Generating Sentences from a Continuous Space (Bowman et al. 2016)
    """

    def __init__(self, *, midpoint: int, width: float) -> None:
        if width <= 0:
            raise Refusal(f"anneal.width={width}: must be positive")
        self.midpoint, self.width = midpoint, width

    def __call__(self, step: Tensor) -> Tensor:
        return ((step - self.midpoint) / self.width).sigmoid()


class Cyclical(Anneal):
    """Within each period a linear rise over its first part, then 1.

    Args:
        period: steps of a cycle, at least 1.
        ramp: the part of a cycle that rises, in (0, 1].

    References:
        Cyclical Annealing Schedule: A Simple Approach to Mitigating KL Vanishing (Fu et al. 2019)
    """

    def __init__(self, *, period: int, ramp: float) -> None:
        if period < 1:
            raise Refusal(f"anneal.period={period}: at least 1")
        if not 0 < ramp <= 1:
            raise Refusal(f"anneal.ramp={ramp}: a part of the cycle in (0, 1]")
        self.period, self.ramp = period, ramp

    def __call__(self, step: Tensor) -> Tensor:
        return ((step % self.period) / (self.ramp * self.period)).clamp(max=1.0)


class InverseTemperature(Anneal):
    """min(1, start + step / steps), which multiplies log p(x, z): q begins wide.

    Annealing the KL begins at the other end, with reconstruction alone and a narrow q.

    Args:
        start: in [0, 1].
        steps: at least 0; 0: no annealing.

    References:
        Variational Inference with Normalizing Flows (Rezende, Mohamed 2015),
        https://arxiv.org/abs/1505.05770, section 6.2
    """

    tempers = True

    def __init__(self, *, start: float, steps: int) -> None:
        if not 0 <= start <= 1:
            raise Refusal(f"anneal.start={start}: must lie in [0, 1]")
        if steps < 0:
            raise Refusal(f"anneal.steps={steps}: at least 0")
        self.start, self.steps, self.constant = start, steps, steps == 0 or start == 1

    def __call__(self, step: Tensor) -> Tensor:
        share = self.start + (step + self.constant) / max(1, self.steps)
        return share.clamp(max=1.0)
