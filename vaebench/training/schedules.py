"""Learning-rate schedules: the factor that multiplies the optimizer's own rate."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_right
from typing import Any

from vaebench.errors import Refusal


class Schedule(ABC):
    """The factor as a function of how much of the run is done."""

    @abstractmethod
    def factor(self, progress: float) -> float:
        """The factor when `progress` ∈ [0, 1) of all steps are done."""

    def observe(self, value: float) -> None:
        """Told of each validation, higher is better."""

    def state(self) -> dict[str, Any]:
        """What a resumed run needs; a function of progress alone needs nothing."""
        return {}

    def load(self, state: dict[str, Any]) -> None:
        """What `state` gave."""


class Constant(Schedule):
    """1."""

    def factor(self, progress: float) -> float:
        return 1.0


class Cosine(Schedule):
    """Linear warm-up, then final + (1 - final)(1 + cos π t)/2 (Loshchilov, Hutter 2017).

    Args:
        warmup: fraction of the run that the warm-up takes, in [0, 1).
        final: the factor at the end, in [0, 1].
    """

    def __init__(self, *, warmup: float, final: float) -> None:
        if not 0 <= warmup < 1:
            raise Refusal(f"schedule.warmup={warmup}: a fraction of the run in [0, 1)")
        if not 0 <= final <= 1:
            raise Refusal(f"schedule.final={final}: a fraction of the rate in [0, 1]")
        self.warmup, self.final = warmup, final

    def factor(self, progress: float) -> float:
        if progress < self.warmup:
            return progress / self.warmup
        t = (progress - self.warmup) / (1 - self.warmup)
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * t)) / 2


class Stages(Schedule):
    """Stage i = 0..n-1 takes 3^i of Σ 3^j parts of the run at a factor of 10^(-i/(n-1)).

    With n = 8 and 3280 epochs, stage i takes 3^i epochs: the schedule of Importance Weighted
    Autoencoders (Burda, Grosse, Salakhutdinov 2016). Shorter runs keep its proportions.

    Args:
        stages: n ≥ 2.
    """

    def __init__(self, *, stages: int) -> None:
        if stages < 2:
            raise Refusal(f"schedule.stages={stages}: at least 2 (schedule=constant is one)")
        whole = (3**stages - 1) // 2
        self.ends = [(3 ** (i + 1) - 1) / 2 / whole for i in range(stages - 1)]

    def factor(self, progress: float) -> float:
        return 10.0 ** (-bisect_right(self.ends, progress) / len(self.ends))


class Plateau(Schedule):
    """Multiply by `factor` after `patience` validations in a row without a new best.

    Args:
        factor: in (0, 1).
        patience: validations, at least 1.
        smallest: never below this fraction of the rate.
    """

    def __init__(self, *, factor: float, patience: int, smallest: float) -> None:
        if not 0 < factor < 1:
            raise Refusal(f"schedule.factor={factor}: between 0 and 1")
        if patience < 1:
            raise Refusal(f"schedule.patience={patience}: at least 1")
        self.by, self.patience, self.smallest = factor, patience, smallest
        self.now, self.best, self.waited = 1.0, -math.inf, 0

    def factor(self, progress: float) -> float:
        return self.now

    def observe(self, value: float) -> None:
        self.waited += 1
        if value > self.best:
            self.best, self.waited = value, 0
        elif self.waited >= self.patience:
            self.now, self.waited = max(self.smallest, self.now * self.by), 0

    def state(self) -> dict[str, Any]:
        return {"now": self.now, "best": self.best, "waited": self.waited}

    def load(self, state: dict[str, Any]) -> None:
        self.now, self.best, self.waited = state["now"], state["best"], state["waited"]
