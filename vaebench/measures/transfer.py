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

ANGLE = 0
"""Of the azimuth and elevation that arithmetic is looked at from."""


@dataclass
class Transfer(Measure):
    """Mean squared errors of E[x | z, view] at a class's code z = E[z | c], without any transform.

    Of models that were trained on from few sides, seen from the others: `withheld`, beside that of the
    nearest side's picture, `nearest_side`. Of pairs of models of which one has a part more: with code A′ - A
    + B of other pairs, `arithmetic`, beside that of what B's own code shows, `input`, both to the truth B′.
    The gains, with their standard errors, are `withheld_gain` and `arithmetic_gain`. At most so many
    `examples` of each.

    References:
        Learning to Generate Chairs, Tables and Cars with Convolutional Networks (Dosovitskiy,
        Springenberg, Tatarchenko, Brox 2017), https://arxiv.org/abs/1411.5928, sections 6.3 and 6.5
    """

    examples: int = 500

    def need(self, subject: Subject) -> None:
        _parts(subject)

    @torch.no_grad()
    def numbers(self, subject: Subject) -> Numbers:
        data, model = _parts(subject)
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
        truth = data.render(values)
        made = _shown(subject, model, data, values, None)
        known = data.nearest_known(values[:, 1:2])
        nearest = data.render(torch.cat([values[:, :1], known, values[:, 2:]], 1))
        return _compared("withheld", "nearest_side", truth, made, nearest)

    def _arithmetic(self, subject: Subject, data: Chairs, model: Generator) -> Numbers:
        pairs, kinds = data.counts["model"] // 2, len(data.kinds)
        if pairs <= kinds:
            return {}
        own = torch.arange(pairs - kinds)[: self.examples]
        lender = 2 * (own + kinds)  # the next pair of the same kind
        codes = _codes(subject, model, torch.arange(data.counts["model"]))
        z = codes[lender + 1] - codes[lender] + codes[2 * own]
        angles = torch.full((len(own), 2), ANGLE)
        truth = data.render(torch.cat([2 * own[:, None] + 1, angles], 1))
        plain = torch.cat([2 * own[:, None], angles], 1)
        made = _shown(subject, model, data, plain, z)
        return _compared(
            "arithmetic", "input", truth, made, _shown(subject, model, data, plain, None)
        )


def _parts(subject: Subject) -> tuple[Chairs, Generator]:
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


def _codes(subject: Subject, model: Generator, classes: Tensor) -> Tensor:
    """E[z | c], `[n, D]`."""
    q = Trace(1, len(classes))
    model.recognise(q, {"model": classes.to(subject.device)})
    return q["z"].dist.mean


def _shown(
    subject: Subject, model: Generator, data: Chairs, values: Tensor, z: Tensor | None
) -> Tensor:
    """E[x | z, view] of values `[n, 3]`, at codes of their own where there are none, on the CPU."""
    z = _codes(subject, model, values[:, 0]) if z is None else z
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
