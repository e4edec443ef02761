"""Pathwise gradients, clipped."""

from __future__ import annotations

from typing import ClassVar

from vaebench.data import Batch
from vaebench.distributions import Noise
from vaebench.inference import infer, rescore
from vaebench.models import Model
from vaebench.objectives.bounds import Bound
from vaebench.objectives.estimators import Draws, Estimand, Estimator, Read, Sampled, summed


class Template(Estimator):
    """Pathwise without q's score, each sample's gradient ∂B/∂z_d clipped to ±limit.

    Change: `forward`, whose value is the bound's and whose gradient is the estimator's.

    Args:
        limit: an option of the YAML.
    """

    draws: ClassVar[Draws] = "pathwise"  # what it asks of q; "score": a density is enough
    drops_score: ClassVar[bool] = True
    rescores: ClassVar[bool] = True  # q's density at samples that are given

    def __init__(self, of: Estimand, *, limit: float) -> None:
        super().__init__(of)
        self.limit = limit

    def forward(
        self, model: Model, batch: Batch, k: int, read: Read, bound: Bound, noise: Noise
    ) -> Sampled:
        evidence, copies = rescore(infer(model, batch, k, noise=noise), model, batch, noise)
        for z in copies.values():
            if z.requires_grad:
                z.register_hook(lambda gradient: gradient.clamp(-self.limit, self.limit))
        return Sampled(bound.value(summed(read(evidence))), evidence)
