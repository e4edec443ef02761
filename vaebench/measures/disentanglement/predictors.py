"""How well factors are predicted, and from how many dimensions."""

from __future__ import annotations

import warnings

import numpy as np

from vaebench.measures.base import Numbers
from vaebench.measures.disentanglement.base import Coded
from vaebench.measures.disentanglement.information import gap

TREES = 10
MOST_OF_SVM = 5000
"""Examples that each support vector machine learns from."""


def dci(coded: Coded) -> Numbers:
    """`disentanglement`, `completeness` and `informativeness`: with R_dk how much a random forest of
    factor k makes of dimension d, one less the entropy of R_d· over factors, to the base F, weighed by
    Σ_k R_dk; one less that of R_·k over dimensions, to the base D; and the forests' accuracy.

    References:
        A Framework for the Quantitative Evaluation of Disentangled Representations (Eastwood,
        Williams 2018)
    """
    from sklearn.ensemble import RandomForestClassifier

    learned, tested = coded.halves()
    importance, accuracy = [], []
    for k in range(coded.v.shape[1]):
        forest = RandomForestClassifier(TREES, max_features=None, random_state=coded.seed)
        forest.fit(learned.z, learned.v[:, k])
        importance.append(forest.feature_importances_)
        accuracy.append(forest.score(tested.z, tested.v[:, k]))
    found = of_importance(np.stack(importance, 1))
    return found | {"informativeness": float(np.mean(accuracy))}


def of_importance(table: np.ndarray) -> Numbers:
    """`disentanglement` and `completeness` of R `[D, F]`, at least 0.

    >>> of_importance(np.array([[1.0, 0.0], [0.0, 1.0]]))
    {'disentanglement': 1.0, 'completeness': 1.0}
    """
    total = table.sum()
    weights = table.sum(1) / total if total else np.full(len(table), 1 / len(table))
    modular = (weights * _concentrated(table)).sum()
    return {
        "disentanglement": float(modular),
        "completeness": float(_concentrated(table.T).mean()),
    }


def _concentrated(rows: np.ndarray) -> np.ndarray:
    """1 - H of each row `[n, m]`, to the base m: 1 where one entry has all; 0 of a row of zeros."""
    from scipy.stats import entropy

    m, totals = rows.shape[1], rows.sum(1)
    if m == 1:
        return (totals > 0).astype(float)
    filled = np.where(totals[:, None] > 0, rows, 1.0)
    return 1 - entropy(filled, base=m, axis=1)


def sap(coded: Coded) -> Numbers:
    """Separated attribute predictability: the mean over factors of the gap between the two dimensions
    from which alone a linear support vector machine tells it best.

    References:
        Variational Inference of Disentangled Latent Concepts from Unlabeled Observations (Kumar,
        Sattigeri, Balakrishnan 2018), https://arxiv.org/abs/1711.00848, section 3
    """
    return {"sap": float(gap(separate_scores(coded)).mean())}


def separate_scores(coded: Coded) -> np.ndarray:
    """Accuracy of each factor's prediction from each dimension alone, `[D, F]`."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    learned, tested = coded.halves()
    some = slice(MOST_OF_SVM)
    found = np.zeros((coded.z.shape[1], coded.v.shape[1]))
    with warnings.catch_warnings():
        # It ends where it is as good as it gets.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for d, k in np.ndindex(found.shape):
            machine = LinearSVC(C=0.01, class_weight="balanced", random_state=coded.seed)
            machine.fit(learned.z[some, d : d + 1], learned.v[some, k])
            found[d, k] = machine.score(tested.z[:, d : d + 1], tested.v[:, k])
    return found
