"""Which factor was held fixed: told by differences of codes, or by the code that varied least."""

from __future__ import annotations

import numpy as np

from vaebench.measures.base import Numbers
from vaebench.measures.disentanglement.base import Coded

EXAMPLES = 64
"""Examples, or pairs of them, of one vote."""

LEARNED, TESTED = 2000, 1000
"""Votes that are learned from, and those that are judged."""


def beta_vae_score(coded: Coded) -> Numbers:
    """Accuracy of a linear classifier that tells which factor two examples share from the mean of
    |z - z'| over 64 such pairs; codes are standardised first.

    References:
        β-VAE (Higgins, Matthey, Pal et al. 2017), appendix A.4
    """
    from sklearn.linear_model import LogisticRegression

    rng, z = coded.rng, coded.z / np.maximum(coded.z.std(0), 1e-12)
    which = rng.integers(coded.v.shape[1], size=LEARNED + TESTED)
    seen = np.empty((len(which), z.shape[1]))
    for k in range(coded.v.shape[1]):
        first = rng.integers(len(z), size=((which == k).sum(), EXAMPLES))
        second = _alike(coded.v[:, k], first, rng)
        seen[which == k] = np.abs(z[first] - z[second]).mean(1)
    judge = LogisticRegression(max_iter=2000).fit(seen[:LEARNED], which[:LEARNED])
    return {"beta_vae_score": float(judge.score(seen[LEARNED:], which[LEARNED:]))}


def factor_vae_score(coded: Coded) -> Numbers:
    """Accuracy of the majority vote of which factor 64 examples share, by the dimension whose
    variance, relative to that over all examples, is least. Collapsed dimensions take no part.

    References:
        Disentangling by Factorising (Kim, Mnih 2018), https://arxiv.org/abs/1802.05983, section 4
    """
    rng, z = coded.rng, coded.active.z
    factors = coded.v.shape[1]
    if not z.shape[1]:
        return {"factor_vae_score": 1 / factors}
    which = rng.integers(factors, size=LEARNED + TESTED)
    least = np.empty(len(which), int)
    for k in range(factors):
        anchor = rng.integers(len(z), size=((which == k).sum(), 1))
        shared = _alike(coded.v[:, k], np.repeat(anchor, EXAMPLES, 1), rng)
        least[which == k] = (z[shared].var(1) / z.var(0)).argmin(1)
    votes = np.zeros((z.shape[1], factors))
    np.add.at(votes, (least[:LEARNED], which[:LEARNED]), 1)
    told = votes.argmax(1)[least[LEARNED:]]
    return {"factor_vae_score": float((told == which[LEARNED:]).mean())}


def _alike(values: np.ndarray, examples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Examples drawn from those of the same value as each of some, of their shape."""
    order = np.argsort(values, kind="stable")
    counts = np.bincount(values)
    starts = counts.cumsum() - counts
    own = values[examples]
    return order[starts[own] + (rng.random(own.shape) * counts[own]).astype(int)]
