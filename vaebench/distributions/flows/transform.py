"""Bijections whose Jacobian's determinant is known."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

Step = tuple[Tensor, Tensor]
"""A value `[*, D]` and a log-determinant that broadcasts to `[*]`."""


class Transform(ABC):
    """z' = f(z) on `[*, D]`, with all parameters bound."""

    invertible: ClassVar[bool] = True
    """Whether `inverse` exists."""

    @abstractmethod
    def __call__(self, z: Tensor) -> Step:
        """f(z) and log |det ∂f/∂z|."""

    @abstractmethod
    def inverse(self, z: Tensor) -> Step:
        """f⁻¹(z), and log |det ∂f/∂z| there: the forward direction's."""


@dataclass(frozen=True)
class Inverse(Transform):
    """z' = f⁻¹(z).

    >>> import torch
    >>> from vaebench.distributions.flows import Scaling
    >>> Inverse(Scaling(torch.tensor([1.0, 1.0])))(torch.zeros(2))[1]  # -log |det ∂f/∂z|
    tensor(-2.)
    """

    of: Transform

    def __call__(self, z: Tensor) -> Step:
        value, log_det = self.of.inverse(z)
        return value, -log_det

    def inverse(self, z: Tensor) -> Step:
        value, log_det = self.of(z)
        return value, -log_det
