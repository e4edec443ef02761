"""Gradient estimators, chosen apart from the bound."""

from collections.abc import Callable

from vaebench.objectives.estimators.auto import auto
from vaebench.objectives.estimators.base import (
    Draws,
    Estimand,
    Estimator,
    Read,
    Sampled,
    Terms,
    summed,
    with_gradient_of,
    within,
)
from vaebench.objectives.estimators.enumerate import Enumerate
from vaebench.objectives.estimators.nvil import NVIL
from vaebench.objectives.estimators.pathwise import STL, DReG, OneOfK, Pathwise
from vaebench.objectives.estimators.relaxed import (
    Concrete,
    Relaxed,
    StraightThrough,
    StraightThroughConcrete,
)
from vaebench.objectives.estimators.score import VIMCO, Score

ESTIMATORS: dict[str, Callable[[Estimand], Estimator]] = {
    "auto": auto,
    "pathwise": Pathwise,
    "stl": STL,
    "dreg": DReG,
    "one_of_k": OneOfK,
    "score": Score,
    "nvil": NVIL,
    "vimco": VIMCO,
    "enumerate": Enumerate,
    "concrete": Concrete,
    "straight_through": StraightThrough,
    "straight_through_concrete": StraightThroughConcrete,
}
"""By the name of their YAML."""
