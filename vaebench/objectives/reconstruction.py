"""Reconstruction alone."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from vaebench.data import Batch
from vaebench.inference import Outline
from vaebench.models import Model
from vaebench.objectives.base import Estimate
from vaebench.objectives.bounds import Mean
from vaebench.objectives.estimated import Estimated, MakesEstimator
from vaebench.objectives.estimators import Terms, auto
from vaebench.trace import Evidence


class Reconstruction(Estimated):
    """-E_q[log p(x | z)]: the autoencoder's loss with a delta posterior. No bound on log p(x).

    Args:
        k, estimator: of every `Estimated` objective.

    References:
        Reducing the Dimensionality of Data with Neural Networks (Hinton, Salakhutdinov 2006)
    """

    has_bound: ClassVar[bool] = False
    scored: ClassVar[bool] = False

    def __init__(
        self, model: Model, outline: Outline, *, k: int, estimator: MakesEstimator = auto
    ) -> None:
        super().__init__(model, outline, k=k, estimator=estimator)
        self.prepare(model, outline, Mean(), reconstruction)

    def estimate(self, model: Model, batch: Batch, step: Tensor) -> Estimate:
        found = self.estimator(model, batch, self.k, reconstruction, self.bound)
        recon = found.evidence.recon.detach().mean(0)
        return Estimate(self.loss(found), {"recon": recon}, found.evidence)


def reconstruction(evidence: Evidence) -> Terms:
    """log p(x | z), `[k, B]`."""
    return {site.name: site.log_prob for site in evidence.observed}
