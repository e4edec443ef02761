"""One primitive: `value = trace(name, distribution)` draws a value or scores a given one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from vaebench.distributions import Distribution, Noise, Score
from vaebench.errors import Incompatible


class Site:
    """What happened at one name of a program.

    Attributes:
        dist: the distribution visited.
        value: `[k, B, *event]`, or broadcastable to it.
        given: whether the value came from outside instead of being drawn here.
        lead: k and B.
    """

    __slots__ = ("_log_prob", "_score", "dist", "given", "lead", "name", "value")

    def __init__(
        self,
        name: str,
        dist: Distribution,
        value: Tensor,
        score: Score,
        *,
        given: bool,
        lead: tuple[int, int],
    ) -> None:
        self.name, self.dist, self.value, self.given = name, dist, value, given
        self._score, self.lead = score, lead
        self._log_prob: Tensor | None = None

    @property
    def log_prob(self) -> Tensor:
        """log density of the value, `[k, B]`; computed at the first reading."""
        if self._log_prob is None:
            self._log_prob = self.spread(self._score())
        return self._log_prob

    def spread(self, term: Tensor) -> Tensor:
        """A term of this site's density, expanded to `[k, B]`."""
        shape, lead = tuple(term.shape), self.lead
        # A [] or [k, 1] would broadcast too, but is the mark of a sum over the batch.
        if (
            len(shape) not in (1, 2)
            or shape[-1] != lead[1]
            or shape[:-1] not in ((), (1,), lead[:1])
        ):
            raise Incompatible(
                f"{type(self.dist).__name__} at site {self.name!r} scores to shape {list(shape)}, "
                f"which does not broadcast to [k, B] = {list(lead)}: its log_prob must sum over "
                "the event alone"
            )
        return term.expand(lead)


Relax = Callable[[Distribution, Sequence[int], Noise], Tensor]
"""Draws of a discrete distribution that carry a gradient."""


class Trace:
    """What a program visited: names to sites, in the order of the visits.

    Args:
        k: posterior samples per example.
        batch_size: B.
        given: values for some names; the rest are drawn.
        reparam: whether draws carry pathwise gradients, where the distribution has them.
        relax: how discrete distributions are drawn, in place of their own draws.
        noise: where draws come from.

    >>> from vaebench.distributions import DiagNormal
    >>> q = Trace(k=5, batch_size=3)
    >>> z = q("z", DiagNormal(torch.zeros(3, 2), torch.zeros(2)))
    >>> z.shape, q["z"].log_prob.shape
    (torch.Size([5, 3, 2]), torch.Size([5, 3]))
    """

    def __init__(
        self,
        k: int,
        batch_size: int,
        given: Mapping[str, Tensor] | None = None,
        *,
        reparam: bool = True,
        relax: Relax | None = None,
        noise: Noise | None = None,
    ) -> None:
        self.lead = (k, batch_size)
        self.given: Mapping[str, Tensor] = {} if given is None else given
        self.reparam, self.relax, self.noise = reparam, relax, noise or Noise()
        self.sites: dict[str, Site] = {}
        self.values: dict[str, Tensor] = {}

    def __call__(self, name: str, dist: Distribution) -> Tensor:
        """Visit a name: score its given value, or draw one with the leading dims it misses."""
        if name in self.sites:
            raise Incompatible(f"site {name!r} is visited twice by one program")
        given = name in self.given
        if given:
            value = self.given[name]
            score = dist.score_of(value, self.noise)
        else:
            value, score = self._draw(dist)
        self.sites[name] = Site(name, dist, value, score, given=given, lead=self.lead)
        self.values[name] = value
        return value

    def shows(self, name: str) -> bool:
        """Whether a visit of this name is wanted: who skips it saves the making of its density."""
        return True

    def __contains__(self, name: str) -> bool:
        return name in self.sites

    def __getitem__(self, name: str) -> Site:
        return self.sites[name]

    @property
    def drawn(self) -> list[Site]:
        """Sites whose value was drawn here."""
        return [site for site in self.sites.values() if not site.given]

    def _draw(self, dist: Distribution) -> tuple[Tensor, Score]:
        missing = self.lead[: 2 - len(dist.batch_shape)]
        if self.relax is not None and dist.is_discrete:
            value = self.relax(dist, missing, self.noise)
            return value, partial(dist.log_prob, value)
        if self.reparam:
            return dist.rsample_and_log_prob(missing, self.noise)
        with torch.no_grad():
            value = dist.rsample(missing, self.noise)
        return value, partial(dist.log_prob, value)
