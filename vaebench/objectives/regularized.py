"""Reconstruction less regularizers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial, reduce
from operator import or_
from types import MappingProxyType
from typing import Any, cast

import torch
from torch import Tensor, nn

from vaebench.data import Batch
from vaebench.distributions import Noise
from vaebench.errors import Incompatible
from vaebench.inference import Outline
from vaebench.models import Model
from vaebench.objectives.base import Estimate
from vaebench.objectives.bounds import Mean
from vaebench.objectives.estimated import Estimated
from vaebench.objectives.estimators import Terms, with_gradient_of, within
from vaebench.objectives.regularizers import Divergence, KLEstimate, MakesRegularizer, Regularizer
from vaebench.trace import Evidence

NONE: Mapping[str, MakesRegularizer] = MappingProxyType({})


class Regularized(Estimated):
    """E_q[log p(x | z)] - Σ_r R_r, averaged over k samples.

    The reported bound is E_q[log p(x | z)] - KL(q ‖ p), whatever the regularizers are.
    """

    regularizers: nn.ModuleDict
    divergence: Divergence

    def diverge(self, kl: KLEstimate, outline: Outline) -> Divergence:
        """The KL that the reported bound is made of, and how it is estimated among the notes."""
        self.divergence = Divergence(kl, outline)
        self.notes.extend(self.divergence.notes)
        return self.divergence

    def regularise(
        self,
        model: Model,
        outline: Outline,
        own: Mapping[str, Regularizer],
        further: Mapping[str, MakesRegularizer],
    ) -> None:
        """Builds the estimator, once it is known what is taken from the reconstruction.

        Args:
            own: regularizers of the objective, by name.
            further: those that were asked for beside them.

        Raises:
            Incompatible: two of one name, or one that this posterior does not serve.
        """
        for name in further:
            if name in own:
                raise Incompatible(
                    f"objective.regularizers.{name}: the objective's own is called so"
                )
        made = {name: make(outline) for name, make in further.items()}
        self.regularizers = nn.ModuleDict({**own, **made})
        for each in self._each():
            self.notes.extend(each.notes)
        self.prepare(model, outline, Mean(), partial(self.read, step=torch.tensor(0)))
        if self.draws in ("score", "enumerated") and any(each.needs_path for each in self._each()):
            raise Incompatible(
                "this objective has a regularizer that follows samples along their path, which this "
                "estimator does not.",
                "estimator",
                "posterior",
            )

    def estimate(self, model: Model, batch: Batch, step: Tensor, noise: Noise) -> Estimate:
        read = partial(self.read, step=step)
        found = self.estimator(model, batch, self.k, read, self.bound, noise)
        loss, evidence = self.loss(found), found.evidence
        recon = evidence.average(evidence.recon.detach())
        told: dict[str, Tensor] = {}
        if all(each.linear for each in self._each()):
            for each in self._each():
                told |= each.told(evidence, step)
        else:
            seen = [each.seen(evidence, step) for each in self._each()]
            cost = torch.stack([one for one, _ in seen]).sum()
            loss = with_gradient_of(cost - recon.mean(), loss + cost)
            told = reduce(or_, (some for _, some in seen))
        terms = {"recon": recon}
        if self.has_bound:
            kl = evidence.average(self.divergence(evidence).detach())
            terms = {"bound": recon - kl, "recon": recon, "kl": kl}
        return Estimate(loss, terms | told, evidence, within("estimator", found.state))

    def read(self, evidence: Evidence, step: Tensor) -> Terms:
        """log p(x | z) and minus all charges, `[k, B]` each."""
        terms = {site.name: site.log_prob for site in evidence.observed}
        for each in self._each():
            terms |= {name: -charge for name, charge in each.charges(evidence, step).items()}
        return terms

    def groups(self) -> list[dict[str, Any]]:
        own = [group for each in self._each() for group in each.groups()]
        return [*own, *super().groups()]

    def _each(self) -> Iterable[Regularizer]:
        return cast("Iterable[Regularizer]", self.regularizers.values())
