"""What a regularizer is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vaebench.errors import Incompatible
from vaebench.inference import Outline
from vaebench.objectives.base import NO_LATENTS
from vaebench.objectives.estimators import Terms
from vaebench.trace import Evidence


class Regularizer(nn.Module, ABC):
    """R, what an objective takes from E_q[log p(x | z)]. Built as `Regularizer(outline)`.

    R is a number of a batch. Of an R that is made of means over samples, `charges` are what f =
    log p(x | z) - Σ charges loses, so that any estimator finds the gradient; an R that follows
    samples along their path has a gradient of its own in `cost`, and charges nothing.
    """

    linear: ClassVar[bool] = False
    """Whether R is the mean of its charges: then the objective's estimate holds it already."""

    needs_path: ClassVar[bool] = False
    """Whether the gradient of its cost follows samples along their path from q's parameters."""

    notes: tuple[str, ...] = ()
    """What a reader of the results should know."""

    @abstractmethod
    def cost(self, evidence: Evidence, step: Tensor) -> Tensor:
        """R of a batch, a scalar. Its gradient is that of the regularizer's own parameters, and of
        q's along the path; what `charges` stand for is detached."""

    def charges(self, evidence: Evidence, step: Tensor) -> Terms:
        """Addends of -f by name, `[k, B]` each; none by default."""
        return {}

    def told(self, evidence: Evidence, step: Tensor) -> dict[str, Tensor]:
        """What is reported of it, `[B]` or scalars, without gradients; nothing by default."""
        return {}

    def seen(self, evidence: Evidence, step: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Its cost, and what is told of it."""
        return self.cost(evidence, step), self.told(evidence, step)

    def groups(self) -> list[dict[str, Any]]:
        """Optimizer groups of its own parameters."""
        own = list(self.parameters())
        return [{"params": own, "weight_decay": 0.0}] if own else []


class AlongPath(Regularizer, ABC):
    """One whose gradient follows samples along their path, and of which one pass says all. Its noise
    is that of the step: `evidence.q.noise`."""

    needs_path: ClassVar[bool] = True

    def __init__(self, outline: Outline) -> None:
        super().__init__()
        if not outline.latents:
            raise Incompatible(NO_LATENTS, "objective")

    @abstractmethod
    def seen(self, evidence: Evidence, step: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """R of a batch, a scalar, and what is told of it."""

    def cost(self, evidence: Evidence, step: Tensor) -> Tensor:
        return self.seen(evidence, step)[0]

    def told(self, evidence: Evidence, step: Tensor) -> dict[str, Tensor]:
        return self.seen(evidence, step)[1]


def codes(evidence: Evidence) -> Tensor:
    """The samples of all latents side by side, `[k, B, D]`."""
    lead = evidence.q.lead
    sites = [evidence.q[name] for name in evidence.latents]
    values = [s.value.expand(*lead, *s.dist.event_shape).flatten(2) for s in sites]
    return values[0] if len(values) == 1 else torch.cat(values, 2)


def check_not_negative(name: str, **numbers: float) -> None:
    """Refuses the first of some options of a regularizer that is negative."""
    for option, value in numbers.items():
        if value < 0:
            raise Incompatible(f"{name}: {option}={value} must not be negative")


MakesRegularizer = Callable[[Outline], Regularizer]
