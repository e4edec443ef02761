"""How far a dimension strays while the factor that it stands for is held fixed."""

from __future__ import annotations

import numpy as np

from vaebench.measures.base import Numbers
from vaebench.measures.disentanglement.base import Coded

QUANTILE = 0.99
"""Of distances, that stands for their supremum."""


def irs(coded: Coded) -> Numbers:
    """Interventional robustness: Σ_d w_d max_k (1 - E_v sup |z_d - E[z_d | v_k = v]| / w_d), with
    w_d = sup |z_d - E z_d|, over Σ_d w_d: 1 where no dimension moves but with one factor.

    References:
        Robustly Disentangled Causal Mechanisms (Suter, Miladinović, Schölkopf, Bauer 2019),
        https://arxiv.org/abs/1811.00007
    """
    z = coded.active.z
    if not z.shape[1]:
        return {"irs": 0.0}
    most = np.abs(z - z.mean(0)).max(0)
    robust = np.stack([1 - _strayed(z, v) / most for v in coded.v.T])
    return {"irs": float((robust.max(0) * most).sum() / most.sum())}


def _strayed(z: np.ndarray, v: np.ndarray) -> np.ndarray:
    """E_v sup |z_d - E[z_d | v]|, `[D]`."""
    found = np.zeros(z.shape[1])
    for value in np.unique(v):
        own = z[v == value]
        found += len(own) / len(z) * np.quantile(np.abs(own - own.mean(0)), QUANTILE, axis=0)
    return found
