"""Reconstruction alone."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from vaebench.inference import infer
from vaebench.models import Model
from vaebench.objectives.base import Batch, Estimate, Objective


class Reconstruction(Objective):
    """-E_q[log p(x | z)]: the autoencoder's loss with a delta posterior. No bound on log p(x).

    References:
        Reducing the Dimensionality of Data with Neural Networks (Hinton, Salakhutdinov 2006)
    """

    has_bound: ClassVar[bool] = False

    def estimate(self, model: Model, batch: Batch, step: Tensor) -> Estimate:
        evidence = infer(model, batch, self.k)
        recon = evidence.recon.mean(0)
        return Estimate(-recon.mean(), {"recon": recon.detach()}, evidence)
