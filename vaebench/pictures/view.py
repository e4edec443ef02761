"""What pictures of a model are drawn from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from vaebench.data import Batch
from vaebench.distributions import Noise
from vaebench.inference import (
    batch_size,
    conditions,
    drawn,
    encode,
    expected,
    generate_at,
    infer,
    simulate,
)
from vaebench.measures.base import Inapplicable, Subject
from vaebench.measures.latents import of_variables
from vaebench.pictures.decoding import Decoding
from vaebench.trace import Evidence

Point = dict[str, Tensor]

REACH = 3.0

MOST_CLASSES = 24
"""Of one variable, that are shown."""


@dataclass(frozen=True)
class View:
    """A trained model, some examples and the folder to draw into.

    Attributes:
        subject: the model and its data.
        folder: of the pictures.
        n: how many examples.
        decoding: of sentences.
        mapped: how many codes a map shows.
    """

    subject: Subject
    folder: Path
    n: int
    decoding: Decoding = field(default_factory=Decoding)
    mapped: int = 2000

    @cached_property
    def batch(self) -> Batch:
        """The first n examples."""
        return self.subject.batch(self.n)

    @property
    def noise(self) -> Noise:
        """The same at each reading."""
        return self.subject.noise(9)

    @property
    def observed(self) -> tuple[str, ...]:
        """Names of what the model generates."""
        return self.subject.roles[1]

    @cached_property
    def name(self) -> str:
        """The observed name that is an image.

        Raises:
            Inapplicable: none is.
        """
        shapes = {name: self.batch[name].shape for name in self.observed}
        images = [n for n, shape in shapes.items() if len(shape) == 4 and shape[1] in (1, 3)]
        if not images:
            name = self.observed[0]
            raise Inapplicable(f"{name} of shape {list(shapes[name][1:])} is no image")
        return images[0]

    @cached_property
    def given(self) -> Batch:
        """Conditions of the examples."""
        return conditions(self.subject.model, self.batch)

    @property
    def images(self) -> Tensor:
        """The data, `[n, C, H, W]`."""
        return self.batch[self.name]

    @property
    def shown(self) -> dict[str, Tensor]:
        """The data by what they are called, `[n, C, H, W]` each: where bits were made of them, what
        they were made of comes first."""
        originals = self.subject.composition.data.originals(self.subject.part, len(self))
        found = {"original": originals[self.name]} if self.name in originals else {}
        return found | {"x": self.images}

    @cached_property
    def codes(self) -> Point:
        """E_q[z | x] of the examples, `[n, *event]` by latent."""
        _ = self.subject.latents
        return encode(self.subject.model, self.batch)

    def draws(self, examples: Sequence[int]) -> Point:
        """z ~ p(z) under the conditions of these examples, `[m, *event]` by latent."""
        self.subject.need_bound()
        names, rows = self.subject.latents, torch.tensor(examples, device=self.subject.device)
        given = {name: value[rows] for name, value in self.given.items()}
        trace = simulate(self.subject.model, len(rows), given, self.noise)
        return {name: drawn(trace, name) for name in names}

    @property
    def width(self) -> int:
        """Entries of an example's code, all latents together."""
        return sum(z[0].numel() for z in self.codes.values())

    @property
    def plane(self) -> str:
        """Name of the only latent, which has two dimensions.

        Raises:
            Inapplicable: there are others, or it has not.
        """
        shapes = {name: tuple(z.shape[1:]) for name, z in self.codes.items()}
        if list(shapes.values()) != [(2,)]:
            told = ", ".join(f"{name} has {math.prod(shape)}" for name, shape in shapes.items())
            raise Inapplicable(f"one latent of two dimensions is needed; {told}")
        latent = next(iter(shapes))
        if self.classes(latent) > 1:
            raise Inapplicable(
                f"one latent of two dimensions is needed; {latent} is one of two classes"
            )
        return latent

    @property
    def is_discrete(self) -> bool:
        """Whether latents are bits or classes."""
        return any(self.recognised.q[name].dist.is_discrete for name in self.codes)

    @property
    def moved(self) -> tuple[str, ...]:
        """The latents whose dimensions are moved one by one: where some are real numbers, those."""
        real = [n for n in self.codes if not self.recognised.q[n].dist.is_discrete]
        return tuple(real or self.codes)

    def classes(self, latent: str) -> int:
        """How many entries of a latent stand for one variable."""
        return self.recognised.q[latent].dist.classes

    def way(self, latent: str, points: int) -> Tensor:
        """What a variable of a latent is moved through, `[T, entries]`: at so many points, from -3 to
        3 standard deviations of the prior, or a bit's probability from 0 to 1; of classes, one after
        the other, 24 at most."""
        device = self.subject.device
        if (classes := self.classes(latent)) > 1:
            return torch.eye(classes, device=device)[:MOST_CLASSES]
        bits = self.recognised.q[latent].dist.is_discrete
        low, high = (0.0, 1.0) if bits else (-REACH, REACH)
        return low + (high - low) * torch.linspace(0, 1, points, device=device).unsqueeze(1)

    @cached_property
    def recognised(self) -> Evidence:
        """Of the examples, at one z ~ q(z | x)."""
        with torch.no_grad():
            return infer(self.subject.model, self.batch, 1, noise=self.noise)

    def decode(self, z: Point, example: int | Tensor = 0) -> Tensor:
        """E[x | z] as images `[m, C, H, W]`, under the conditions of these examples."""
        m = len(next(iter(z.values())))
        rows = torch.as_tensor(example, device=self.subject.device).expand(m)
        given = {name: value[rows] for name, value in self.given.items()}
        trace = generate_at(self.subject.model, z, given, self.noise)
        return expected(trace, self.name).reshape(m, *self.images.shape[1:])

    @torch.no_grad()
    def divergences(self) -> tuple[str, dict[tuple[str, int], float]]:
        """How much each dimension of each latent carries, or each variable of classes, and what that
        is measured in: its mean KL from the prior, else the variance of its posterior mean."""
        evidence, codes = self.recognised, self.codes
        kls = {name: kl for name in codes if (kl := evidence.kl_by_dimension(name)) is not None}
        if len(kls) == len(codes):
            measured = "KL"
            found = {n: kl.reshape(-1, kl.shape[-1]).mean(0) for n, kl in kls.items()}
        else:
            measured = "Var"
            variances = {n: z.flatten(1).var(0) for n, z in codes.items()}
            found = {n: of_variables(v, self.classes(n)) for n, v in variances.items()}
        return measured, {(n, d): x for n, v in found.items() for d, x in enumerate(v.tolist())}

    def __len__(self) -> int:
        return batch_size(self.batch)
