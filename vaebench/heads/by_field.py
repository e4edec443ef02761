"""A likelihood for each field, by the values that it takes."""

from __future__ import annotations

from collections.abc import Callable

from vaebench.data import Field, Support
from vaebench.heads.base import Likelihood

LikelihoodOf = Callable[[Field], Likelihood]


def by_field(
    observed: Field,
    *,
    bits: LikelihoodOf,
    reals: LikelihoodOf,
    levels: LikelihoodOf,
    tokens: LikelihoodOf,
    labels: LikelihoodOf,
) -> Likelihood:
    """The likelihood that suits a field.

    Args:
        observed: the field.
        bits: of binary data.
        reals: of floats, bounded or not.
        levels: of grey levels.
        tokens: of sentences.
        labels: of classes.
    """
    suits = {
        Support.BINARY: bits,
        Support.REAL: reals,
        Support.UNIT: reals,
        Support.LEVELS: levels,
        Support.TOKENS: tokens,
        Support.LABEL: labels,
    }
    return suits[observed.support](observed)
