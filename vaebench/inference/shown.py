"""A model of which a pass sees a part and shows a part."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial

from torch import Tensor

from vaebench.data import Batch
from vaebench.distributions import Distribution
from vaebench.errors import Incompatible
from vaebench.inference.infer import frozen
from vaebench.models import Model, RecognitionFirst
from vaebench.trace import Trace


class Without(Mapping[str, Tensor]):
    """A batch without some of its names, which nobody reads."""

    def __init__(self, batch: Batch, hidden: Collection[str]) -> None:
        self.batch, self.hidden = batch, hidden

    def __getitem__(self, name: str) -> Tensor:
        if name in self.hidden:
            raise KeyError(name)
        return self.batch[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self.batch if name not in self.hidden)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return name not in self.hidden and name in self.batch


class Showing(Trace):
    """A trace that keeps no site of some names: a visitor who does not ask whether it `shows` them goes
    on with a draw.

    Args:
        trace: which keeps all others.
        hidden: the names.
    """

    def __init__(self, trace: Trace, hidden: Collection[str]) -> None:
        super().__init__(
            *trace.lead,
            trace.given,
            reparam=trace.reparam,
            relax=trace.relax,
            noise=trace.noise,
        )
        self.sites, self.values, self.hidden = trace.sites, trace.values, hidden

    def shows(self, name: str) -> bool:
        return name not in self.hidden

    def __call__(self, name: str, dist: Distribution) -> Tensor:
        return self._draw(dist)[0] if name in self.hidden else super().__call__(name, dist)


class Shown(RecognitionFirst):
    """A model whose recognition sees some of what is observed, and whose generation shows some: q(z |
    x_sees) against p(z) p(x_shows | z). It bounds log p(x_shows), whatever it sees.

    Args:
        model: one that makes do with parts of what is observed.
        observed: all that it observes.
        sees, shows: names of it.
        frozen: whether generation has constants in the place of parameters.

    Raises:
        Incompatible: the model needs all that it observes, or has no such name.

    References:
        Cross-modal Deep Variational Hand Pose Estimation (Spurr, Song, Park, Hilliges 2018),
        https://arxiv.org/abs/1803.11404, eq. 5, where the two parts are one name each
    """

    partial = True

    def __init__(
        self,
        model: Model,
        observed: Collection[str],
        *,
        sees: Collection[str],
        shows: Collection[str],
        frozen: bool = False,
    ) -> None:
        super().__init__()
        if not model.partial:
            raise Incompatible(
                "recognition of this model needs all that is observed: none can be hidden from it.",
                "model",
            )
        for name in (*sees, *shows):
            if name not in observed:
                told = ", ".join(observed)
                raise Incompatible(f"{name} is none of what this model observes: {told}.", "model")
        self.model, self.frozen = model, frozen
        self.unseen = [name for name in observed if name not in sees]
        self.unshown = [name for name in observed if name not in shows]

    def recognise(self, q: Trace, batch: Batch) -> None:
        self.model.recognise(q, Without(batch, self.unseen))

    def generate(self, p: Trace, batch: Batch) -> None:
        run = partial(_generate, p=Showing(p, self.unshown), batch=batch)
        if self.frozen:
            frozen(self.model, run)
        else:
            run(self.model)


def _generate(model: Model, p: Trace, batch: Batch) -> None:
    model.generate(p, batch)
