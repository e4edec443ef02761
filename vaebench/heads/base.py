"""Heads: modules that turn parameters into distributions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor, nn

from vaebench.data import Batch, Field, Support
from vaebench.distributions import Distribution
from vaebench.errors import Incompatible
from vaebench.nets.precision import Multiplies


class Head(nn.Module, ABC):
    """Parameters `[*, *param_shape]` → a distribution with batch `[*]`.

    A posterior head is built as `Head(latent)` and a likelihood head as `Head(observed)`, with the
    `Field` that it is a density of; further arguments are the options in its YAML.
    """

    param_shape: tuple[int, ...]

    support: ClassVar[Support] = Support.REAL
    """Of a posterior head: the values that its latent takes."""

    classes: int = 1
    """Of a posterior head: entries of the latent that stand for one variable, where `ONE_HOT`."""

    @abstractmethod
    def forward(self, params: Tensor) -> Distribution:
        """The distribution with these parameters."""


def latent_field(dim: int, head: Head) -> Field:
    """The field of a latent of so many variables that a posterior head infers, `[dim]`; of classes
    `[dim · classes]`."""
    levels = {Support.BINARY: 2, Support.ONE_HOT: head.classes}
    return Field((dim * head.classes,), head.support, levels.get(head.support, 0))


class Likelihood(Head):
    """A head of data: it knows which parameters give a wanted mean."""

    @abstractmethod
    def params_for_mean(self, mean: Tensor) -> Tensor:
        """Parameters `[*param_shape]` whose distribution has this mean `[*event]`."""

    def mean_for_params(self, params: Tensor) -> Tensor:
        """The mean that parameters `[*, *param_shape]` stand for, `[*, *event]`."""
        return self(params).mean

    @property
    def fitted_by_mean(self) -> bool:
        """Whether the parameters of the data's mean are those of the greatest likelihood."""
        return False

    @property
    def fitted_by_covariance(self) -> bool:
        """Whether the data's mean and covariance give the parameters of the greatest likelihood."""
        return False

    def params_for_covariance(self, mean: Tensor, covariance: Tensor) -> Tensor:
        """Parameters `[*param_shape]` of the greatest likelihood of data with this mean `[*event]` and
        this covariance `[D, D]`, both in 64 bits on the CPU; parameters of the head's own are set.

        Raises:
            Incompatible: unless `fitted_by_covariance`.
        """
        raise Incompatible("this likelihood is not fitted by a covariance.", "likelihood")

    @property
    def caveat(self) -> str | None:
        """What a reader of this likelihood's numbers on these data should know."""
        return None

    @abstractmethod
    def bits_per_nat(self) -> tuple[float, float] | None:
        """(scale, offset) such that bits per dimension = scale · nats + offset; None where the
        likelihood is neither a mass on the data's levels nor a density of dequantized ones."""


class Prior(nn.Module, ABC):
    """p(z), built as `Prior(latent)` with the field of z; or p(z | y).

    Attributes:
        reads: names of the conditions that it is called with, in their order.
    """

    reads: tuple[str, ...] = ()

    @abstractmethod
    def forward(self, *args: Any, **kwargs: Any) -> Distribution:
        """The prior, of no argument; of conditions `[*, *shape]`, if it reads any, a density with
        batch `[*]`."""

    def of(self, batch: Batch) -> Distribution:
        """The prior under the conditions of a batch."""
        return self(*(batch[name] for name in self.reads))


class PosteriorPrior(Prior):
    """A prior that is made of the posterior, built as `Prior(latent, posterior, observed)`: with
    x `[*, *shape]` → q(z | x), which it does not own, and the field of x."""


class ConditionalPrior(Prior):
    """p(z | y), built as `Prior(latent, conditions)` with the fields of y by name; not empty."""


class Conditional(Multiplies):
    """A density given something: a net that emits the parameters of a head."""

    def __init__(self, net: nn.Module, head: Head) -> None:
        super().__init__()
        self.net, self.head = net, head

    def forward(self, *contexts: Tensor) -> Distribution:
        """Contexts `[*, *shape]` of what the net reads → distribution with batch `[*]`."""
        return self.head(self.multiplied(self.net, *contexts))
