"""Gradient estimators, chosen apart from the bound."""

from vaebench.objectives.estimators.base import (
    Draws,
    Estimator,
    Read,
    Sampled,
    Terms,
    honest,
    summed,
)
from vaebench.objectives.estimators.nvil import NVIL
from vaebench.objectives.estimators.pathwise import STL, DReG, OneOfK, Pathwise
from vaebench.objectives.estimators.relaxed import Relaxed, Way
from vaebench.objectives.estimators.score import VIMCO, Score, log_q

__all__ = [
    "NVIL",
    "STL",
    "VIMCO",
    "DReG",
    "Draws",
    "Estimator",
    "OneOfK",
    "Pathwise",
    "Read",
    "Relaxed",
    "Sampled",
    "Score",
    "Terms",
    "Way",
    "honest",
    "log_q",
    "summed",
]
