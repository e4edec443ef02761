"""Whether runs of other seeds find the same dimensions: no factor need be known."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vaebench.inference import infer
from vaebench.measures.base import Inapplicable, Measure, Numbers, Subject
from vaebench.measures.latents import Latents
from vaebench.measures.probes import codes

INFORMATIVE = 0.01
"""Nats that a dimension has to carry."""


@dataclass
class UDR(Measure):
    """Unsupervised disentanglement ranking: the median over runs of other seeds, which `others` names,
    of how much alike the two runs' dimensions are, each to one.

    With R_ab the |rank correlation| of dimension a of one run and b of the other, over the codes of the
    same examples: UDR = 1 / (d_a + d_b) (Σ_b r_b² / Σ_a R_ab + Σ_a r_a² / Σ_b R_ab), r the largest of a
    column or row, both sums over dimensions whose KL exceeds 0.01 nats, of which there are d.

    References:
        Unsupervised Model Selection for Variational Disentangled Representation Learning (Duan,
        Matthey, Saraiva, Watters, Burgess, Lerchner, Higgins 2020), https://arxiv.org/abs/1905.12614
    """

    others: list[str] = field(default_factory=list)
    examples: int = 2000

    def need(self, subject: Subject) -> None:
        subject.need_bound()
        _ = subject.latents
        if not subject.peers:
            raise Inapplicable("no runs of other seeds are named, as in udr.others=[RUN,RUN]")

    def numbers(self, subject: Subject) -> Numbers:
        own = _ranked(subject, self.examples)
        each = [udr(*own, *_ranked(peer, self.examples)) for peer in subject.peers]
        found = {"udr": float(np.median(each)), "runs": len(each)}
        return found | {"examples": len(own[0])}


def _ranked(subject: Subject, examples: int) -> tuple[np.ndarray, np.ndarray]:
    """E_q[z | x] of examples, `[N, D]`, and the KL of each dimension, `[D]`.

    Raises:
        Inapplicable: the KL is no sum over them.
    """
    latents, noise = Latents(subject.model), subject.noise(13)
    for batch in subject.batches(examples):
        latents.add(batch, infer(subject.model, batch, 1, noise=noise))
    kl = [
        value for name in subject.latents for value in latents.kls[name].mean.reshape(-1).tolist()
    ]
    z, _ = codes(subject, examples)
    if len(kl) != z.shape[1]:
        raise Inapplicable("the KL is no sum over dimensions")
    return z.double().numpy(), np.array(kl)


def udr(a: np.ndarray, kl_a: np.ndarray, b: np.ndarray, kl_b: np.ndarray) -> float:
    """UDR of two runs by their codes `[N, D]` and `[N, E]` and the KLs of these dimensions; 0 where
    none of them carries anything."""
    from scipy.stats import rankdata

    carries_a, carries_b = kl_a > INFORMATIVE, kl_b > INFORMATIVE
    count = carries_a.sum() + carries_b.sum()
    if not count:
        return 0.0
    first, second = (rankdata(z, axis=0) for z in (a, b))
    r = np.abs(_correlation(first, second))
    by_column, by_row = (_alone(r, 0) * carries_b).sum(), (_alone(r, 1) * carries_a).sum()
    return float((by_column + by_row) / count)


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of each column of one with each of the other, `[D, E]`; 0 of a constant."""
    a, b = (x - x.mean(0) for x in (a, b))
    a, b = (x / np.maximum(np.sqrt((x**2).sum(0)), 1e-12) for x in (a, b))
    return a.T @ b


def _alone(r: np.ndarray, axis: int) -> np.ndarray:
    """max² / sum along an axis."""
    total = r.sum(axis)
    return r.max(axis) ** 2 / np.where(total > 0, total, 1)
