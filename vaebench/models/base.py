"""Models: two programs over named sites, and no loss anywhere in them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from torch import Tensor, nn

from vaebench.trace import Trace

Result = TypeVar("Result")
Batch = Mapping[str, Tensor]


class Model(nn.Module, ABC):
    """Dependency structure: which sites there are, and what each is conditioned on."""

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


class Split(Model):
    """A model whose recognition ends before its generation begins."""

    def joint(self, p: Trace, q: Trace, batch: Batch, seen: Batch) -> None:
        self.recognise(q, seen)
        self.generate(p, batch)
