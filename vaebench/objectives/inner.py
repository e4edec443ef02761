"""The bounds that an objective of several of them is made of."""

from __future__ import annotations

from typing import Any, Literal

from vaebench.inference import Outline
from vaebench.models import Model
from vaebench.objectives.elbo import ELBO
from vaebench.objectives.estimated import Estimated
from vaebench.objectives.iwae import IWAE

Inner = Literal["elbo", "iwae"]


def inner(bound: Inner, model: Model, outline: Outline, **options: Any) -> Estimated:
    """A bound of evidence, or of k importance weights, with the options that both have; further ones,
    such as `regularizers`, are of the former alone."""
    if bound == "iwae":
        return IWAE(model, outline, **options)
    own: dict[str, Any] = {"kl": "auto", "free_bits": 0.0, "free_bits_per": "dimension"}
    return ELBO(model, outline, **options, **own)
