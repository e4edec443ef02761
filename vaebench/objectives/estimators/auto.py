"""The estimator that a posterior and a bound call for."""

from __future__ import annotations

from vaebench.inference import discrete_beside_others
from vaebench.objectives.estimators.base import Estimand, Estimator
from vaebench.objectives.estimators.enumerate import Enumerate
from vaebench.objectives.estimators.nvil import NVIL
from vaebench.objectives.estimators.pathwise import Pathwise
from vaebench.objectives.estimators.score import VIMCO, Score


def auto(of: Estimand) -> Estimator:
    """Pathwise where q has a path, and a sum over classes that stand beside latents with one; else
    NVIL for the ELBO, and for importance weights VIMCO or, of a single sample, the score function."""
    if of.outline.has_path:
        return Pathwise(of)
    q = dict(zip(of.outline.latents, of.outline.q, strict=True))
    if discrete_beside_others(q) and (of.bound.separate or of.k == 1):
        return Enumerate(of)
    if of.bound.separate:
        return NVIL(of)
    return VIMCO(of) if of.k > 1 else Score(of)
