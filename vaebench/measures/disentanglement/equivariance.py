"""Whether a factor is told by a latent of its own, and by no other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from vaebench.measures.base import Inapplicable, Measure, Numbers, Subject
from vaebench.measures.disentanglement.base import Coded, coded, need_factors

DEGREE = 3
"""Of the polynomial of a latent."""


@dataclass
class Equivariance(Measure):
    """R² of each ordered factor from its own latents (`own_FACTOR`), and from all others together
    (`others_FACTOR`), of so many `examples` of independent factors; their means `own` and `others`; and
    which latent tells most (`latent_FACTOR`). Its own are those that the objective gives to it; where it
    gives none, the one that tells most.

    References:
        Deep Convolutional Inverse Graphics Network (Kulkarni, Whitney, Kohli, Tenenbaum 2015),
        https://arxiv.org/abs/1503.03167, figure 6
    """

    examples: int = 5000

    def need(self, subject: Subject) -> None:
        if not need_factors(subject).ordered:
            raise Inapplicable("no factor of the data is ordered")

    @torch.no_grad()
    def numbers(self, subject: Subject) -> Numbers:
        found, names = coded(subject, self.examples)
        kept = [k for k, name in enumerate(names) if name in need_factors(subject).ordered]
        if not kept:
            raise Inapplicable("no ordered factor has two values")
        numbers: Numbers = {}
        for k in kept:
            latent, own, others = equivariance(found, k, own_of(subject, names[k]))
            told = {f"own_{names[k]}": own, f"others_{names[k]}": others}
            numbers |= told | {f"latent_{names[k]}": latent}
        for which in ("own", "others"):
            numbers[which] = float(np.mean([numbers[f"{which}_{names[k]}"] for k in kept]))
        return numbers | {"examples": len(found)}


def own_of(subject: Subject, factor: str) -> tuple[int, ...]:
    """The dimensions that the objective makes to be a factor's own; none, where it makes none."""
    return subject.composition.objective.own.get(factor, ())


def equivariance(
    coded: Coded, factor: int, latents: tuple[int, ...] = ()
) -> tuple[int, float, float]:
    """The latent that tells most of a factor, R² of the factor from its own latents, and from all others.

    Least squares on the powers of each latent up to `DEGREE`, learned from one half and tested on the
    other; which latent tells most, the first half decides.

    Args:
        latents: the factor's own; empty: the one that tells most.
    """
    learned, tested = coded.halves()
    v, of_v = (half.v[:, factor].astype(float) for half in (learned, tested))
    powers, of_powers = _powers(learned.z, learned), _powers(tested.z, learned)
    each = [_r2(powers[:, d], v, powers[:, d], v) for d in range(coded.z.shape[1])]
    best = int(np.argmax(each))
    chosen = [*latents] or [best]
    own, of_own = (p[:, chosen].reshape(len(p), -1) for p in (powers, of_powers))
    rest, of_rest = (np.delete(p, chosen, 1).reshape(len(p), -1) for p in (powers, of_powers))
    others = _r2(rest, v, of_rest, of_v) if rest.shape[1] else 0.0
    return best, _r2(own, v, of_own, of_v), others


def _powers(z: np.ndarray, scale: Coded) -> np.ndarray:
    """Standardised as `scale` is, and to each power, `[N, D, DEGREE]`."""
    z = (z - scale.z.mean(0)) / (scale.z.std(0) + 1e-12)
    return np.stack([z.clip(-4, 4) ** degree for degree in range(1, DEGREE + 1)], -1)


def _r2(x: np.ndarray, v: np.ndarray, of_x: np.ndarray, of_v: np.ndarray) -> float:
    """Of what is tested, predicted by what is learned from x and v; at least 0."""
    one, of_one = (np.column_stack([np.ones(len(p)), p]) for p in (x, of_x))
    weights, *_ = np.linalg.lstsq(one, v, rcond=None)
    left = np.square(of_v - of_one @ weights).sum() / np.square(of_v - of_v.mean()).sum()
    return float(max(0.0, 1 - left))
