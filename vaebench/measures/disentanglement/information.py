"""What each dimension of a code knows of each factor."""

from __future__ import annotations

import numpy as np

from vaebench.measures.base import Numbers
from vaebench.measures.disentanglement.base import Coded

BINS = 20
"""Of equal width, that a dimension of a code is divided into."""


def information(coded: Coded) -> np.ndarray:
    """I(z_d; v_k) in nats, of binned codes, `[D, F]`."""
    from sklearn.metrics import mutual_info_score

    binned = [np.digitize(z, np.histogram(z, BINS)[1][1:-1]) for z in coded.z.T]
    return np.array([[mutual_info_score(v, z) for v in coded.v.T] for z in binned])


def entropies(coded: Coded) -> np.ndarray:
    """H(v_k) in nats, `[F]`."""
    from scipy.stats import entropy

    return np.array([entropy(np.bincount(v)) for v in coded.v.T])


def mig(coded: Coded) -> Numbers:
    """Mutual information gap: 1/F Σ_k (I(z_d; v_k) - I(z_d'; v_k)) / H(v_k), of the two dimensions
    that know most of each factor.

    References:
        Isolating Sources of Disentanglement in VAEs (Chen, Li, Grosse, Duvenaud 2018),
        https://arxiv.org/abs/1802.04942, section 4
    """
    return {"mig": float((gap(information(coded)) / entropies(coded)).mean())}


def modularity(coded: Coded) -> Numbers:
    """1/D Σ_d (1 - Σ_{k≠k*} I_dk² / (I_dk*² (F - 1))), with k* the factor that dimension d knows most
    of: 1 where each knows of one alone. One that knows nothing counts 0.

    References:
        Learning Deep Disentangled Embeddings With the F-Statistic Loss (Ridgeway, Mozer 2018),
        https://arxiv.org/abs/1802.05312
    """
    squared = information(coded) ** 2
    most, factors = squared.max(1), squared.shape[1]
    if factors == 1:
        return {"modularity": float((most > 0).mean())}
    others = (squared.sum(1) - most) / np.where(most > 0, most * (factors - 1), 1)
    return {"modularity": float(np.where(most > 0, 1 - others, 0).mean())}


def gap(table: np.ndarray) -> np.ndarray:
    """The largest entry of each column `[D, F]` less the second, `[F]`; of one row, itself.

    >>> gap(np.array([[3.0, 1.0], [1.0, 5.0], [2.0, 2.0]])).tolist()
    [1.0, 3.0]
    """
    ordered = np.sort(np.concatenate([table, np.zeros((1, table.shape[1]))]), 0)
    return ordered[-1] - ordered[-2]
