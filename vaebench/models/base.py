"""Models: two programs over named sites, and no loss anywhere in them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import ChainMap
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from torch import nn

from vaebench.data import Batch, Columns, Field
from vaebench.distributions import Noise
from vaebench.trace import Evidence, Trace

Result = TypeVar("Result")


class Refine(nn.Module, ABC):
    """Moves samples of q nearer to p(z | x). Built as `Refine(latents, observed)`, with the fields of
    both by name; what is observed, and conditions, are all that q reads."""

    @abstractmethod
    def forward(self, model: Model, batch: Batch, evidence: Evidence, noise: Noise) -> Evidence:
        """The evidence of the moved samples."""


def unrefined(latents: Mapping[str, Field], observed: Mapping[str, Field]) -> None:
    """q's samples stay where they are."""


class Model(nn.Module, ABC):
    """Dependency structure: which sites there are, and what each is conditioned on.

    Attributes:
        refine: what moves q's samples before they count; None: nothing does.
    """

    refine: Refine | None

    numbered: bool = False
    """Whether it reads `index`, the numbers of training examples: no other example has one."""

    seeks: bool = False
    """Whether its recognition seeks the parameters of q of an example by steps of its own."""

    has_free_energy: bool = False
    """Whether its bound is reported as a Helmholtz free energy too."""

    embedded: tuple[str, ...] = ()
    """Names that recognition alone reads, in the place of what is generated."""

    partial: bool = False
    """Whether its recognition makes do with any part of what is observed."""

    solves: bool = False
    """Whether it needs no step of training: `fit` finds its parameters, or it starts at them."""

    q_is_prior: bool = False
    """Whether q is p's own density of the latents, which tells nothing of what is observed."""

    def __init__(self) -> None:
        super().__init__()
        self.register_module("refine", None)

    def fit(self, split: Columns) -> list[float]:
        """Gives values to whatever has a solution in closed form, or by a method of its own, before the
        first step; nothing by default.

        Args:
            split: the training split, on the model's device.

        Returns:
            the mean log-likelihood of the split after each iteration of a method that has some.
        """
        return []

    def forward(self, run: Callable[..., Result], *args: Any) -> Result:
        """`run(self, *args)`: lets `functional_call` hold parameters fixed in any program."""
        return run(self, *args)

    @abstractmethod
    def recognise(self, q: Trace, batch: Batch) -> None:
        """Visits q's latents given what the batch shows."""

    @abstractmethod
    def generate(self, p: Trace, batch: Batch) -> None:
        """Visits latents and data in p's order; the batch holds conditions."""

    @abstractmethod
    def joint(self, p: Trace, q: Trace, batch: Batch, seen: Batch) -> None:
        """Both programs; p's latents are q's values, q is conditioned on `seen`."""


class RecognitionFirst(Model):
    """A model whose recognition ends before its generation begins."""

    def joint(self, p: Trace, q: Trace, batch: Batch, seen: Batch) -> None:
        self.recognise(q, seen)
        self.generate(p, batch)


class Interleaved(Model):
    """A model whose recognition reads what generation has made so far."""

    @abstractmethod
    def joint(self, p: Trace, q: Trace | None, batch: Batch, seen: Batch) -> None:
        """Both programs in one; without q, generation alone."""

    def recognise(self, q: Trace, batch: Batch) -> None:
        p = Trace(*q.lead, ChainMap(q.values, dict(batch)), noise=q.noise)
        self.joint(p, q, batch, batch)

    def generate(self, p: Trace, batch: Batch) -> None:
        self.joint(p, None, batch, batch)
