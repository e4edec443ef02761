"""Weights that are numbers, under a prior or not."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vaebench.errors import Incompatible
from vaebench.nets.base import Regularised
from vaebench.suggest import unknown


def point(model: nn.Module) -> None:
    """Weights are numbers."""


class WeightPrior(Regularised):
    """p(θ) = N(0, sd² I) over parameters of a model, whose price is Σ θ² / (2 sd²).

    Args:
        model: whose; it holds this module, which has no parameters of its own.
        names: of the parameters.
        sd: standard deviation.
    """

    def __init__(self, model: nn.Module, names: Sequence[str], sd: float) -> None:
        super().__init__()
        self._model = (model,)  # not a child of its own child
        self.names, self.sd = tuple(names), sd

    def penalty(self) -> Tensor:
        # Asked of the model each time: they may have been swapped for others since.
        now = dict(self._model[0].named_parameters())
        squares = torch.stack([now[name].square().sum() for name in self.names]).sum()
        return squares / (2 * self.sd**2)


def maximum_a_posteriori(model: nn.Module, *, sd: float, of: list[str]) -> None:
    """Weights are numbers, under a Gaussian prior.

    Args:
        sd: standard deviation, positive and finite.
        of: parts of the model, such as `posterior` or `posterior.head`, under whose parameters'
            names it is; empty: all.
    """
    if not 0 < sd < math.inf:
        raise Incompatible(f"weights.sd={sd}: must be positive and finite")
    names = [name for name, _ in model.named_parameters()]
    for part in of:
        depth = part.count(".") + 1
        known = dict.fromkeys(".".join(name.split(".")[:depth]) for name in names)
        if (told := unknown("weights.of", [part], known)) is not None:
            raise Incompatible(told)
    under = tuple(f"{part}." for part in of) or ("",)
    names = [name for name in names if f"{name}.".startswith(under)]
    model.add_module("weight_prior", WeightPrior(model, names, sd))
