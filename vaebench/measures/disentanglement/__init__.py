"""Whether dimensions of a code stand for the factors that images are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch

from vaebench.measures.base import Inapplicable, Measure, Numbers, Subject
from vaebench.measures.disentanglement.base import Coded, Score, coded, need_factors
from vaebench.measures.disentanglement.equivariance import Equivariance
from vaebench.measures.disentanglement.information import mig, modularity
from vaebench.measures.disentanglement.interventions import irs
from vaebench.measures.disentanglement.predictors import dci, sap
from vaebench.measures.disentanglement.rankings import UDR
from vaebench.measures.disentanglement.votes import beta_vae_score, factor_vae_score
from vaebench.progress import doing

SCORES: Mapping[str, Score] = MappingProxyType(
    {
        "beta_vae": beta_vae_score,
        "factor_vae": factor_vae_score,
        "mig": mig,
        "dci": dci,
        "sap": sap,
        "modularity": modularity,
        "irs": irs,
    }
)
"""By name; each is documented where it is."""

CEILING = "_ceiling"
"""Ends the name of what a score is of the true factors."""


@dataclass
class Disentanglement(Measure):
    """Scores of E_q[z | x] of so many `examples` of independent factors, each beside what it is of the
    true factors as codes, its ceiling for these examples: `beta_vae_score`, `factor_vae_score`, `mig`,
    `disentanglement`, `completeness`, `informativeness`, `sap`, `modularity`, `irs`.
    """

    examples: int = 10_000

    def need(self, subject: Subject) -> None:
        need_factors(subject)

    @torch.no_grad()
    def numbers(self, subject: Subject) -> Numbers:
        found, factors = coded(subject, self.examples)
        if not factors or min(len(set(v)) for v in found.v.T.tolist()) < 2:
            raise Inapplicable("two values of each factor are needed among the examples")
        numbers: Numbers = {}
        for name, score in SCORES.items():
            with doing(name):
                own, most = score(found), score(found.true)
            for key, value in own.items():
                numbers |= {key: value, f"{key}{CEILING}": most[key]}
        return numbers | {"examples": len(found)}
