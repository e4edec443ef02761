"""An ELBO that pays for entropy."""

from __future__ import annotations

from torch import Tensor

from vaebench.data import Batch
from vaebench.distributions import Noise
from vaebench.inference import Outline
from vaebench.models import Model
from vaebench.objectives import Estimate, Estimated, honest_terms
from vaebench.objectives.bounds import Mean
from vaebench.objectives.estimated import MakesEstimator
from vaebench.objectives.estimators import Terms
from vaebench.trace import Evidence


class Template(Estimated):
    """E_q[log p(x, z) - log q(z | x)] + extra · H[q(z | x)].

    Change: `read`, what is averaged over samples of q, and `Mean`, what is made of k of them
    (`LogMeanExp`: importance weights). Any estimator then goes with it.

    Args:
        k, estimator: of every `Estimated` objective.
        extra: an option of the YAML.
    """

    def __init__(
        self,
        model: Model,
        outline: Outline,
        *,
        k: int,
        estimator: MakesEstimator,
        extra: float,
    ) -> None:
        super().__init__(model, outline, k=k, estimator=estimator)
        self.extra = extra
        self.prepare(model, outline, Mean(), self.read)

    def read(self, evidence: Evidence) -> Terms:
        """The addends, `[k, B]` each."""
        return {"log_w": evidence.log_w, "entropy": -self.extra * evidence.log_q}

    def estimate(self, model: Model, batch: Batch, step: Tensor, noise: Noise) -> Estimate:
        found = self.estimator(model, batch, self.k, self.read, self.bound, noise)
        # What is reported is the honest bound, whatever the loss is.
        terms = honest_terms(found.evidence.average(found.evidence.log_w), found.evidence)
        return Estimate(self.loss(found), terms, found.evidence)
