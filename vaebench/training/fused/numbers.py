"""The numbers in which jobs differ that are otherwise alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vaebench.objectives.anneal import Anneal
from vaebench.objectives.pure import Place

OWN = "vaebench."
APART = ("_parameters", "_buffers", "training")
"""Attributes of a module that are stacked, or of no matter."""


@dataclass(frozen=True)
class Number:
    """A number of a composition, such as β, or an annealing, such as β's.

    Attributes:
        place: where it stands in the first job.
        values: of each job.
    """

    place: Place
    values: Sequence[float | Anneal]

    def at(self, step: Tensor) -> Tensor:
        """Each job's, `[J]`.

        Args:
            step: of each, `[J]`.
        """
        pairs = zip(self.values, step.unbind(), strict=True)
        return torch.stack([_value(one, at) for one, at in pairs])


def _value(one: float | Anneal, step: Tensor) -> Tensor:
    return one(step) if isinstance(one, Anneal) else torch.tensor(float(one), device=step.device)


def differing(jobs: Sequence[nn.Module]) -> list[Number]:
    """The numbers in which modules of one kind differ."""
    return list(_differing(jobs, set()))


def _differing(those: Sequence[Any], seen: set[int]) -> Iterator[Number]:
    first = those[0]
    if id(first) in seen:
        return
    seen.add(id(first))
    for name in _attributes(first):
        values = [vars(one).get(name) for one in those]
        if _differ(values):
            yield Number((first, name), values)
        for parts in _parts(values):
            yield from _differing(parts, seen)


def _attributes(one: Any) -> list[str]:
    return [name for name in vars(one) if name not in APART]


def _differ(values: Sequence[Any]) -> bool:
    if all(isinstance(value, Anneal) for value in values):
        return _told(values) > 1
    return all(_is_number(value) for value in values) and len({*values}) > 1


def _told(values: Sequence[Any]) -> int:
    """How many there are of different numbers."""
    return len({repr(sorted(vars(value).items())) for value in values})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The objects of ours that are this value, or lie in it, of each job."""
    first = values[0]
    if any(type(value) is not type(first) for value in values):
        return
    if isinstance(first, nn.Module) or type(first).__module__.startswith(OWN):
        if not isinstance(first, Anneal) and "__dict__" in dir(first):
            yield values
    elif isinstance(first, dict):
        for key in first:
            yield from _parts([value.get(key) for value in values])
    elif isinstance(first, list | tuple) and len({len(value) for value in values}) == 1:
        for parts in zip(*values, strict=True):
            yield from _parts(parts)
