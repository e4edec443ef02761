"""Maximum likelihood, for models without latents."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from vaebench.data import Batch
from vaebench.distributions import Noise
from vaebench.inference import infer
from vaebench.models import Model
from vaebench.objectives.base import Estimate, Objective


class MaximumLikelihood(Objective):
    """log p(x) itself, where no latent stands between: the bound is tight."""

    needs_latents: ClassVar[bool] = False

    def estimate(self, model: Model, batch: Batch, step: Tensor, noise: Noise) -> Estimate:
        evidence = infer(model, batch, self.k, noise=noise)
        log_p = evidence.log_w.mean(0)
        return Estimate(-log_p.mean(), {"bound": log_p.detach()}, evidence)
