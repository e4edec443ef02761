"""How much of a metric each option decides: rank correlation over the runs of a search."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vaebench.runs.find import Run

FEWEST = 4
"""Runs below which a correlation says nothing."""


def importance(runs: Sequence[Run], options: Sequence[str], metric: str) -> dict[str, float]:
    """Option → how it and the metric go together.

    Numbers have Spearman's ρ in [-1, 1]; words have η in [0, 1], the root of the share of the variance
    of the metric's ranks that lies between them: for two words the size of ρ.

    References:
        The proof and measurement of association between two things (Spearman 1904).
    """
    have = [(run, run.metrics().get(metric, math.nan)) for run in runs]
    have = [(run, value) for run, value in have if math.isfinite(value)]
    if len(have) < FEWEST:
        return {}
    from scipy.stats import rankdata

    of = rankdata([value for _, value in have])
    found = {name: _association([run.options.get(name) for run, _ in have], of) for name in options}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _association(values: Sequence[object], of: NDArray[np.float64]) -> float:
    """Spearman's ρ where all values are numbers, else η; not a number where nothing varies."""
    words = [str(value) for value in values]
    if len(set(words)) < 2 or not of.std():
        return math.nan
    numbers = _numbers(values)
    if numbers is not None:
        from scipy.stats import rankdata

        return float(np.corrcoef(rankdata(numbers), of)[0, 1])
    _, inverse = np.unique(words, return_inverse=True)
    means = np.bincount(inverse, of) / np.bincount(inverse)
    return float(means[inverse].std() / of.std())


def _numbers(values: Sequence[object]) -> NDArray[np.float64] | None:
    """The values, where all are numbers; `True` is a word."""
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return None
    return np.array([float(v) for v in values if isinstance(v, int | float)])
