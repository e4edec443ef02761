"""What a regularizer is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor, nn

from vaebench.inference import Outline
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

    def groups(self) -> list[dict[str, Any]]:
        """Optimizer groups of its own parameters."""
        own = list(self.parameters())
        return [{"params": own, "weight_decay": 0.0}] if own else []


MakesRegularizer = Callable[[Outline], Regularizer]
