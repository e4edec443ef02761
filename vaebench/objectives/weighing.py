"""β and its annealing: what a training step weighs."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from vaebench.errors import Incompatible
from vaebench.objectives.anneal import Anneal


class Weight(NamedTuple):
    """What a loss weighs: a log p(x | z) + β [a log p(z) - log q(z | x)].

    Attributes:
        beta: β.
        inverse_temperature: a; None: 1, at no cost.
    """

    beta: Tensor | float
    inverse_temperature: Tensor | None = None


class Weighing:
    """The weight of log p(z) - log q(z | x) in a loss, and how it or log p(x, z) is annealed.

    Args:
        beta: β ≥ 0. The reported bound is that of β = 1 whatever the loss uses.
        anneal: the share of β, or of log p(x | z) + β log p(z), that a training step uses; an
            evaluation uses all of it.
    """

    def __init__(self, beta: float, anneal: Anneal) -> None:
        if beta < 0:
            raise Incompatible(f"objective.beta={beta}: must not be negative")
        self.beta, self.anneal = beta, anneal
        self.idle = (
            beta == 1 and anneal.constant
        )  # looked at here: jobs that share a step have a β each

    @property
    def tempers(self) -> bool:
        """Whether log p(x, z) is annealed."""
        return self.anneal.tempers and not self.anneal.constant

    def at(self, step: Tensor, *, training: bool) -> Weight | None:
        """The weight at a step; None: 1 throughout, at no cost."""
        if self.idle:
            return None
        if not training:
            return Weight(self.beta)
        share = self.anneal(step)
        return Weight(self.beta, share) if self.tempers else Weight(self.beta * share)


def told(weight: Weight | None, like: Tensor, *, training: bool) -> dict[str, Tensor]:
    """`kl_weight` or `inverse_temperature` of a training step, on the device of `like`."""
    if weight is None or not training:
        return {}
    beta, inverse_temperature = weight
    if inverse_temperature is not None:
        return {"inverse_temperature": inverse_temperature.to(like)}
    return {"kl_weight": beta.to(like)} if isinstance(beta, Tensor) else {}
