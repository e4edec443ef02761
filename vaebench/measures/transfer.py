"""What a generator of classes knows of views that it was not shown, and of parts that it can add."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vaebench.data import Batch, Chairs
from vaebench.inference import expected, generate_at
from vaebench.measures.base import BATCH, Inapplicable, Measure, Numbers, Subject, mean_and_se
from vaebench.models import Generator
from vaebench.trace import Trace

SIDES = 8
"""Azimuths at most that arithmetic is looked at from, at the lowest elevation."""


@dataclass
class Transfer(Measure):
    """Mean squared errors of E[x | z, view] at a class's code z = E[z | c], without any transform.

    Of models that were trained on from few sides, seen from the others: `withheld`, beside that of the
    nearest side's picture, `nearest_side`. Of pairs of models of which one has a part more: with code A′ - A
    + B of other pairs, `arithmetic`, beside that of what B's own code shows, `input`, both to the truth B′,
    a mean over sides.
    The gains, with their standard errors, are `withheld_gain` and `arithmetic_gain`. At most so many
    `examples` of each.

    References:
        Learning to Generate Chairs, Tables and Cars with Convolutional Networks (Dosovitskiy,
        Springenberg, Tatarchenko, Brox 2017), https://arxiv.org/abs/1411.5928, sections 6.3 and 6.5
    """

    examples: int = 500

    def need(self, subject: Subject) -> None:
        generated(subject)

    @torch.no_grad()
    def numbers(self, subject: Subject) -> Numbers:
        data, model = generated(subject)
        numbers = self._withheld(subject, data, model) if data.few else {}
        numbers |= self._arithmetic(subject, data, model)
        if not numbers:
            raise Inapplicable("no side is withheld, and there are no two pairs of models")
        return numbers

    def _withheld(self, subject: Subject, data: Chairs, model: Generator) -> Numbers:
        split = data.withheld()
        every = torch.arange(len(split))
        step = -(-len(every) // self.examples)
        values = split.columns["x"].stored[every[::step]].long()
        made = shown(subject, model, data, values)
        nearest = data.render(nearest_known(data, values))
        return _compared("withheld", "nearest_side", data.render(values), made, nearest)

    def _arithmetic(self, subject: Subject, data: Chairs, model: Generator) -> Numbers:
        sides = around(data, SIDES)
        sums = Sums.of(data, self.examples, sides)
        if not len(sums.plain):
            return {}
        made, plain = sums.shown(subject, model, data), shown(subject, model, data, sums.plain)
        truth = data.render(sums.more)
        # The sides of one pair are no independent examples.
        each = (images.unflatten(0, (-1, len(sides))) for images in (truth, made, plain))
        return _compared("arithmetic", "input", *each)


@dataclass(frozen=True)
class Sums:
    """Models B of which there is B′, with a part more, and what lends the part: A and A′.

    Attributes:
        plain, more, lender, lent: values of B, B′, A and A′, `[n · sides, 3]` each, from the same sides;
            those of one pair are neighbours.
    """

    plain: Tensor
    more: Tensor
    lender: Tensor
    lent: Tensor

    @classmethod
    def of(cls, data: Chairs, most: int, sides: Tensor) -> Sums:
        """Pairs of the same kind, each with the next: so many at most, and none where there is one pair
        of each kind."""
        pairs, kinds = data.counts["model"] // 2, len(data.kinds)
        own = 2 * torch.arange(max(0, pairs - kinds))[:most]
        models = own, own + 1, own + 2 * kinds, own + 2 * kinds + 1
        return cls(*(seen_from(each, sides) for each in models))

    def shown(self, subject: Subject, model: Generator, data: Chairs) -> Tensor:
        """E[x | A′ - A + B, view]."""
        lent, lender, plain = (
            codes(subject, model, values[:, 0]) for values in (self.lent, self.lender, self.plain)
        )
        return shown(subject, model, data, self.plain, lent - lender + plain)


def around(data: Chairs, most: int) -> Tensor:
    """Azimuths at equal distances, so many at most."""
    azimuths = data.counts["azimuth"]
    return torch.arange(azimuths)[:: -(-azimuths // most)]


def seen_from(models: Tensor, azimuths: Tensor) -> Tensor:
    """Values `[n · T, 3]` of models `[n]`, each from azimuths `[T]` at the lowest elevation."""
    sides = torch.cartesian_prod(models, azimuths)
    return torch.cat([sides, torch.zeros_like(sides[:, :1])], 1)


def nearest_known(data: Chairs, values: Tensor) -> Tensor:
    """The values `[n, 3]` of the nearest sides that models of few sides are shown from."""
    return torch.cat([values[:, :1], data.nearest_known(values[:, 1:2]), values[:, 2:]], 1)


def generated(subject: Subject) -> tuple[Chairs, Generator]:
    """The data and the model.

    Raises:
        Inapplicable: it is no generator of chairs from the code of a class.
    """
    data, model = subject.composition.data, subject.model
    if not isinstance(data, Chairs):
        raise Inapplicable("no view of the data can be withheld, as of dataset=chairs")
    if not isinstance(model, Generator) or model.embedded != ("model",):
        raise Inapplicable("the model embeds no class, as model=chairs does")
    return data, model


def codes(subject: Subject, model: Generator, classes: Tensor) -> Tensor:
    """E[z | c], `[n, D]`."""
    q = Trace(1, len(classes))
    model.recognise(q, {"model": classes.to(subject.device)})
    return q["z"].dist.mean


def shown(
    subject: Subject, model: Generator, data: Chairs, values: Tensor, z: Tensor | None = None
) -> Tensor:
    """E[x | z, view] of values `[n, 3]`, at codes of their own where there are none, on the CPU."""
    z = codes(subject, model, values[:, 0]) if z is None else z
    found = []
    for rows in torch.arange(len(values)).split(BATCH):
        given: Batch = data.conditions(values[rows], None)
        on = {name: value.to(subject.device) for name, value in given.items()}
        trace = generate_at(model, {"z": z[rows]}, on, subject.noise())
        found.append(expected(trace, "x").cpu())
    return torch.cat(found)


def _compared(name: str, than: str, truth: Tensor, made: Tensor, other: Tensor) -> Numbers:
    """Errors of both, and by how much the first is less."""
    one, two = ((images - truth).square().flatten(1).mean(1) for images in (made, other))
    return mean_and_se(**{name: one, than: two, f"{name}_gain": two - one})
