"""Weights of what is observed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from vaebench.errors import Incompatible
from vaebench.inference import Outline
from vaebench.objectives.estimators import Terms, summed
from vaebench.objectives.regularizers.base import Regularizer, check_not_negative
from vaebench.trace import Evidence


class ObservedWeights(Regularizer):
    """Σ_i (1 - w_i) log p(x_i | z): what is taken from the reconstruction for a loss in which the
    observed name x_i weighs w_i. The bound that is reported weighs all alike.

    Args:
        weights: w_i ≥ 0 by name, not all 0; a name that is left out weighs 1.

    Raises:
        Incompatible: a name that is not observed, or no weight at all.
    """

    linear: ClassVar[bool] = True

    def __init__(self, outline: Outline, *, weights: Mapping[str, float]) -> None:
        super().__init__()
        check_not_negative("weights", **weights)
        for name in weights:
            if name not in outline.observed:
                observed = ", ".join(outline.observed)
                raise Incompatible(
                    f"this objective weighs {name}, and this model generates {observed}.",
                    "objective",
                    "model",
                )
        if not any(weights.get(name, 1) for name in outline.observed):
            raise Incompatible("this objective weighs nothing that is observed.", "objective")
        self.weights = {name: w for name, w in weights.items() if w != 1}

    def charges(self, evidence: Evidence, step: Tensor) -> Terms:
        return {
            f"unweighed {name}": (1 - weight) * evidence.p[name].log_prob
            for name, weight in self.weights.items()
        }

    def cost(self, evidence: Evidence, step: Tensor) -> Tensor:
        charges = self.charges(evidence, step)
        if not charges:
            return evidence.recon.new_zeros(())
        return evidence.average(summed(charges).detach()).mean()
