"""How well a score tells outliers from data, and how sure that is."""

from __future__ import annotations

import math

import numpy as np

from vaebench.measures.base import Numbers

Array = np.ndarray

ACCEPTED = 0.95
"""The share of the data that a detector is to let pass."""

RESAMPLES = 100


def detection(data: Array, outliers: Array, seed: int = 0) -> Numbers:
    """`auroc`, `aupr` and `fpr95` of a score that is to be larger for outliers, each with its
    standard error `_se`: of the first by DeLong's covariance, of the others by 100 bootstrap
    resamples of both sets, each of its own size.

    Args:
        data: scores of inliers, `[n]`; no nan.
        outliers: scores of outliers, `[m]`.
        seed: of the resamples.
    """
    data, outliers = np.sort(data), np.sort(outliers)  # so that each resample has little to sort
    value, error = auroc(data, outliers)
    found: Numbers = {"auroc": value} if math.isnan(error) else {"auroc": value, "auroc_se": error}
    generator = np.random.default_rng(seed)
    sizes = [(len(data), len(outliers))] * RESAMPLES
    counts = [[_resampled(size, generator) for size in pair] for pair in sizes]
    for name, of in {"aupr": aupr, "fpr95": fpr95}.items():
        found[name] = of(data, outliers)
        draws = [of(data, outliers, *both) for both in counts]
        found[f"{name}_se"] = float(np.std(draws, ddof=1))
    return found


def auroc(data: Array, outliers: Array) -> tuple[float, float]:
    """P(s' > s) + ½ P(s' = s) for an outlier's score s' and an inlier's s, the area under the
    receiver operating characteristic, and its standard error.

    With V_j the same for outlier j among all inliers, and W_i for inlier i among all outliers, the
    variance is Var(V) / m + Var(W) / n. It is nan where a set has one example alone.

    References:
        Comparing the Areas under Two or More Correlated Receiver Operating Characteristic Curves
        (DeLong, DeLong, Clarke-Pearson 1988)
    """
    above = _share_below(outliers, data)
    below = 1 - _share_below(data, outliers)
    if min(len(data), len(outliers)) < 2:
        return float(above.mean()), math.nan
    variance = above.var(ddof=1) / len(above) + below.var(ddof=1) / len(below)
    return float(above.mean()), math.sqrt(variance)


def _share_below(scores: Array, others: Array) -> Array:
    """For each score the share of others that are less, those that are equal counting half."""
    others = np.sort(others)
    less, at_most = np.searchsorted(others, scores), np.searchsorted(others, scores, "right")
    return (less + at_most) / (2 * len(others))


def aupr(
    data: Array, outliers: Array, few: Array | None = None, many: Array | None = None
) -> float:
    """Average precision Σ_t (R_t - R_{t-1}) P_t at telling outliers, over all thresholds t.

    By chance it is the share m / (n + m) of outliers: sets of other sizes do not compare.

    Args:
        few, many: how often each inlier and each outlier counts; None: once.
    """
    weights = np.concatenate(
        [
            np.ones(len(data)) if few is None else few,
            np.ones(len(outliers)) if many is None else many,
        ]
    )
    scores = np.concatenate([data, outliers])
    order = np.argsort(scores, kind="stable")[::-1]
    ends = np.append(np.flatnonzero(scores[order[1:]] != scores[order[:-1]]), len(order) - 1)
    told = np.cumsum(weights[order])[ends]
    right = np.cumsum(np.where(order >= len(data), weights[order], 0))[ends]
    precision = np.divide(right, told, out=np.zeros(len(ends)), where=told > 0)
    return float((np.diff(right, prepend=0) * precision).sum() / right[-1])


def fpr95(
    data: Array, outliers: Array, few: Array | None = None, many: Array | None = None
) -> float:
    """The share of outliers that pass for data where 95 % of the data do.

    The threshold is the least inlier's score that so many inliers do not exceed.

    Args:
        few, many: how often each inlier and each outlier counts; None: once.

    References:
        Enhancing The Reliability of Out-of-distribution Image Detection in Neural Networks (Liang,
        Li, Srikant 2018)
    """
    order = np.argsort(data, kind="stable")
    passed = np.cumsum(np.ones(len(data)) if few is None else few[order])
    threshold = data[order][np.searchsorted(passed, ACCEPTED * passed[-1] - 1e-9)]
    return float(np.average(outliers <= threshold, weights=many))


def _resampled(size: int, generator: np.random.Generator) -> Array:
    """How often each of so many examples is drawn, of as many draws as there are."""
    return np.bincount(generator.integers(size, size=size), minlength=size)
