"""AUROC, AUPR and FPR95 by hand, in closed form and beside scikit-learn; their errors by repetition."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from vaebench.measures.detection import RESAMPLES, aupr, auroc, detection, fpr95


def of(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)


def gaussians(seed: int, n: int = 200, m: int = 100, apart: float = 1.0):
    generator = np.random.default_rng(seed)
    return generator.normal(size=n), generator.normal(apart, 1, m)


def test_auroc_counts_the_pairs_in_order_and_half_of_the_equal_ones():
    assert auroc(of(1, 2, 3, 4), of(2.5, 5))[0] == 6 / 8
    assert auroc(of(1, 2, 3, 4), of(2, 5))[0] == (1.5 + 4) / 8
    assert auroc(of(7, 7), of(7, 7, 7)) == (0.5, 0.0)


def test_aupr_is_the_precision_at_each_outlier_by_hand():
    """In falling order: an outlier at precision 1, two of the data, an outlier at 2 of 4."""
    assert aupr(of(1, 2, 3, 4), of(2.5, 5)) == pytest.approx((1 + 2 / 4) / 2)
    assert aupr(of(0, 0, 0), of(0)) == 1 / 4  # no order: the share of outliers


def test_fpr95_is_the_share_of_outliers_below_the_threshold_that_passes_nineteen_of_twenty():
    data = np.arange(20.0)[::-1]
    assert fpr95(data, of(17, 18, 18.5, 30)) == 0.5
    assert fpr95(data, of(18.5, 30)) == 0
    assert fpr95(data, of(-3)) == 1
    assert fpr95(of(5), of(5, 6)) == 0.5


def test_a_score_that_separates_is_perfect_and_reversed_it_is_as_wrong_as_can_be():
    data, outliers = of(1, 2, 3), of(4, 5)
    right, wrong = detection(data, outliers), detection(-data, -outliers)
    assert (right["auroc"], right["aupr"], right["fpr95"]) == (1, 1, 0)
    assert (wrong["auroc"], wrong["fpr95"]) == (0, 1)
    assert wrong["aupr"] == pytest.approx((1 / 4 + 2 / 5) / 2)
    assert right["auroc_se"] == wrong["auroc_se"] == 0


def test_infinite_scores_are_largest():
    assert auroc(of(1, 2), of(math.inf, 3))[0] == 1
    assert fpr95(of(1, 2), of(math.inf, 0)) == 0.5


@pytest.mark.parametrize("seed", range(5))
def test_both_areas_are_those_of_scikit_learn_ties_among_them(seed):
    data, outliers = (x.round(1) for x in gaussians(seed))
    is_outlier = [0] * len(data) + [1] * len(outliers)
    scores = np.concatenate([data, outliers])
    assert auroc(data, outliers)[0] == pytest.approx(roc_auc_score(is_outlier, scores), abs=1e-12)
    known = average_precision_score(is_outlier, scores)
    assert aupr(data, outliers) == pytest.approx(known, abs=1e-12)


def test_of_two_gaussians_the_area_and_the_false_positives_are_known():
    """AUROC = Φ(δ/√2) and FPR95 = Φ(z_95 - δ)."""
    found = detection(*gaussians(0, 20000, 20000, apart=1.5))
    normal = NormalDist()
    area, passing = normal.cdf(1.5 / math.sqrt(2)), normal.cdf(normal.inv_cdf(0.95) - 1.5)
    assert abs(found["auroc"] - area) < 4.5 * found["auroc_se"]
    assert abs(found["fpr95"] - passing) < 4.5 * found["fpr95_se"]


def test_errors_are_the_spread_of_repetitions():
    """Their mean against the spread of 400 draws of both sets, whose own error is 1/28 of it."""
    found = [detection(*gaussians(seed)) for seed in range(400)]
    for name in ("auroc", "aupr", "fpr95"):
        spread = np.std([one[name] for one in found], ddof=1)
        told = math.sqrt(np.mean([one[f"{name}_se"] ** 2 for one in found]))
        assert told / spread == pytest.approx(1, abs=4.5 / math.sqrt(800) + 0.05)


def test_weights_count_examples_as_often():
    data, outliers = gaussians(3, 40, 30)
    few, many = (np.random.default_rng(1).integers(0, 4, n) for n in (40, 30))
    for score in (aupr, fpr95):
        repeated = score(np.repeat(data, few), np.repeat(outliers, many))
        assert score(data, outliers, few, many) == pytest.approx(repeated)
    is_outlier = np.repeat([0, 1], [40, 30])
    weights, scores = np.concatenate([few, many]), np.concatenate([data, outliers])
    known = average_precision_score(is_outlier, scores, sample_weight=weights)
    assert aupr(data, outliers, few, many) == pytest.approx(known)


def test_one_example_alone_has_no_error_by_delong():
    found = detection(of(1, 2), of(3))
    assert "auroc_se" not in found
    assert found["auroc"] == 1


def test_a_seed_fixes_the_bootstrap():
    sets = gaussians(0)
    assert detection(*sets, 4) == detection(*sets, 4) != detection(*sets, 5)
    assert RESAMPLES >= 100
