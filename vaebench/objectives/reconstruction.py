"""Reconstruction alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from vaebench.inference import Outline
from vaebench.models import Model
from vaebench.objectives.estimated import MakesEstimator
from vaebench.objectives.estimators import auto
from vaebench.objectives.regularized import NONE, Regularized
from vaebench.objectives.regularizers import MakesRegularizer


class Reconstruction(Regularized):
    """-E_q[log p(x | z)]: the autoencoder's loss with a delta posterior. No bound on log p(x).

    Args:
        k, estimator: of every `Estimated` objective.
        regularizers: by name, each built as `Regularizer(outline)`.

    References:
        Reducing the Dimensionality of Data with Neural Networks (Hinton, Salakhutdinov 2006)
    """

    has_bound: ClassVar[bool] = False
    scored: ClassVar[bool] = False

    def __init__(
        self,
        model: Model,
        outline: Outline,
        *,
        k: int,
        estimator: MakesEstimator = auto,
        regularizers: Mapping[str, MakesRegularizer] = NONE,
    ) -> None:
        super().__init__(model, outline, k=k, estimator=estimator)
        self.regularise(model, outline, {}, regularizers)
