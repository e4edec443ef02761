"""What a measure of a trained model is, and what it looks at."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from vaebench.composition import Composition
from vaebench.data import Batch, Columns, Part
from vaebench.data.seeds import EVALUATION, derived
from vaebench.distributions import Noise
from vaebench.errors import Incompatible, Refusal
from vaebench.models import Model
from vaebench.progress import doing, steps
from vaebench.suggest import unknown

BATCH = 250
"""Examples that are looked at together."""

Numbers = dict[str, float]
Looked = TypeVar("Looked")
Found = TypeVar("Found")


class Inapplicable(Incompatible):
    """A measure or picture that means nothing for this model or these data; says why."""


@dataclass(frozen=True)
class Subject:
    """A trained composition on its device, in evaluation mode, and which examples are looked at.

    Attributes:
        composition: model, data and objective.
        device: where the model is.
        part: which split the examples come from.
        seed: of all noise of a measure.
        step: of training, where its weights were taken.
        kept: what measures leave of each example, by name, `[N]` each.
        others: examples of other data sets, by what they are called here.
        baseline: another model of the same data.
        peers: other runs of the same data.
        sets: what measures leave of examples of several sets, by set and name.
        notes: why a measure leaves some of its numbers out, by what they are called.
    """

    composition: Composition
    device: torch.device
    part: Part = "test"
    seed: int = 0
    step: int = 0
    kept: dict[str, Tensor] = field(default_factory=dict, compare=False)
    others: Mapping[str, tuple[Columns, ...]] = field(default_factory=dict, compare=False)
    baseline: Subject | None = None
    peers: tuple[Subject, ...] = ()
    sets: dict[str, dict[str, Tensor]] = field(default_factory=dict, compare=False)
    notes: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def model(self) -> Model:
        """What is looked at."""
        return self.composition.model

    def noise(self, stream: int | None = None) -> Noise:
        """Noise of one measure's own: what else is measured does not touch it.

        Args:
            stream: None: that of the likelihood.
        """
        own = (1,) if stream is None else (2, stream)
        seed = derived(self.seed, EVALUATION, *own)
        return Noise(torch.Generator(self.device).manual_seed(seed))

    def batches(
        self, examples: int = 0, part: Part | None = None, rows: Tensor | None = None
    ) -> Iterator[Batch]:
        """The first so many examples of a split, 0: all, in its own order; counted as progress.

        Args:
            rows: of the examples, which to take instead.
        """
        yield from self.of(self.composition.split(part or self.part), examples, rows)

    def of(self, split: Columns, examples: int = 0, rows: Tensor | None = None) -> Iterator[Batch]:
        """The same of any examples."""
        split = (split.first(examples) if examples else split).to(self.device)
        generator = torch.Generator(self.device).manual_seed(derived(self.seed, EVALUATION, 3))
        index = torch.arange(len(split)) if rows is None else rows
        for some in steps(index.to(self.device).split(BATCH)):
            yield split.batch(some, generator)

    def nets(self, samples: int, noise: Noise) -> Iterator[None]:
        """So many turns in each of which weights are a draw of q(weights), as training draws them; 0:
        one turn, with their means."""
        if not samples:
            yield
        for _ in steps(range(samples)):
            with self.composition.objective.nets_drawn(noise):
                yield

    def column(self, name: str, part: Part) -> Tensor:
        """The values of one name at all examples of a split, where a column makes it alone, on the
        CPU."""
        split = self.composition.data.split(part)
        alone = replace(split, columns={name: split.columns[name]})
        return alone.batch(torch.arange(len(split)))[name].cpu()

    def batch(self, examples: int, part: Part | None = None) -> Batch:
        """The same as one batch."""
        found = list(self.batches(examples, part))
        return {name: joined([b[name] for b in found]) for name in found[0]}

    @cached_property
    def roles(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of the latents, and of what is observed."""
        report = self.composition.report
        return report.latents, tuple(n for n, role in report.roles.items() if role == "observed")

    @property
    def latents(self) -> tuple[str, ...]:
        """Names of the latents; not empty.

        Raises:
            Inapplicable: there are none.
        """
        if not self.roles[0]:
            raise Inapplicable("the model has no latents")
        return self.roles[0]

    @property
    def label(self) -> str | None:
        """The name of the label in a batch; None where the data have none."""
        return self.composition.data.spec.label

    def need_bound(self) -> None:
        """For what reads log q(z | x) or p(z).

        Raises:
            Inapplicable: the model was trained without them.
        """
        if not self.composition.objective.has_bound:
            raise Inapplicable(
                "the model was trained on reconstruction alone: neither its prior nor a bound on "
                "log p(x) means anything"
            )


def check_known(option: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Refuses the first of some names that is not known.

    Args:
        option: the list that they stand in, as in `measures=[…]`.

    Raises:
        Refusal: there are others; with the one that was probably meant.
    """
    if told := unknown(option, names, known):
        raise Refusal(told)


def evaluating(composition: Composition, device: torch.device) -> None:
    """Moves model and objective to a device, in evaluation mode."""
    for part in (composition.model, composition.objective):
        part.to(device).eval()


def joined(parts: Sequence[Tensor]) -> Tensor:
    """Examples of several batches in one; sentences are padded to the longest."""
    if parts[0].ndim != 2:
        return torch.cat([*parts])
    width = max(part.shape[1] for part in parts)
    return torch.cat([F.pad(part, (0, width - part.shape[1])) for part in parts])


@dataclass
class Measure(ABC):
    """One kind of number about a trained model. Its fields are its options."""

    def __call__(self, subject: Subject) -> Numbers:
        """The numbers by name.

        Raises:
            Incompatible: they mean nothing here.
        """
        self.need(subject)
        return self.numbers(subject)

    def need(self, subject: Subject) -> None:
        """What can be said of a composition whatever its weights are.

        Raises:
            Incompatible: the numbers mean nothing here.
        """

    @abstractmethod
    def numbers(self, subject: Subject) -> Numbers:
        """The numbers by name.

        Raises:
            Inapplicable: with these weights they mean nothing.
        """


def applied(
    parts: Mapping[str, Callable[[Looked], Found]], looked: Looked
) -> Iterator[tuple[str, Found | str]]:
    """The name of each measure or picture, and what it finds or why it does not apply."""
    for name, part in parts.items():
        try:
            with doing(name):
                found: Found | str = part(looked)
        except Incompatible as reason:
            found = str(reason)
        yield name, found


def mean_and_se(**columns: Tensor) -> Numbers:
    """Means over examples `[N]` by name, each with its standard error."""
    found: Numbers = {}
    for name, values in columns.items():
        values = values.double().cpu()
        found[name] = values.mean().item()
        if len(values) > 1:
            found[f"{name}_se"] = (values.std() / math.sqrt(len(values))).item()
    return found


def named(part: str, numbers: Numbers) -> Numbers:
    """`part/name` → value; `part_kl/z.d` of a single dimension, which is none of what a run is told
    by.

    >>> named("val", {"kl": 2.5, "kl/z.0": 0.5})
    {'val/kl': 2.5, 'val_kl/z.0': 0.5}
    """
    return {
        f"{part}_{name}" if name.startswith("kl/") else f"{part}/{name}": value
        for name, value in numbers.items()
    }


def over_batches(batches: Iterable[Batch], run: Callable[[Batch], Batch]) -> dict[str, Tensor]:
    """What `run` makes of each batch, by name; joined along the first dimension, on the CPU."""
    found = [{name: made.cpu() for name, made in run(batch).items()} for batch in batches]
    return {name: torch.cat([made[name] for made in found]) for name in found[0]}
