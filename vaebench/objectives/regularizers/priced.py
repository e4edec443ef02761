"""A price of the mean KL."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from vaebench.objectives.estimators import Terms
from vaebench.objectives.regularizers.base import Regularizer
from vaebench.objectives.regularizers.divergence import Divergence
from vaebench.trace import Evidence


class Priced(Regularizer, ABC):
    """h(m) of m = E[KL(q(z | x) ‖ p(z))], the mean over a batch: each sample is charged h'(m) KL.

    Args:
        divergence: the KL.
    """

    def __init__(self, divergence: Divergence) -> None:
        super().__init__()
        self.divergence = divergence

    @abstractmethod
    def slope(self, mean: Tensor, step: Tensor) -> Tensor:
        """h'(m), a scalar without gradient."""

    def charges(self, evidence: Evidence, step: Tensor) -> Terms:
        slope = self.slope(self.mean(evidence), step)
        return {n: slope * charge for n, charge in self.divergence.charges(evidence).items()}

    def mean(self, evidence: Evidence) -> Tensor:
        """m, a scalar without gradient."""
        return evidence.average(self.divergence(evidence).detach()).mean()
