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
from vaebench.measures.codes import label_of
from vaebench.pictures.decoding import Decoding
from vaebench.pictures.paper import is_image
from vaebench.trace import Evidence

Point = dict[str, Tensor]

REACH = 3.0
POOL = 1000
"""Examples whose codes class means are taken over."""


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
        images = [name for name in self.observed if is_image(self.batch[name])]
        if not images:
            name = self.observed[0]
            raise Inapplicable(f"{name} of shape {list(self.batch[name].shape[1:])} is no image")
        return images[0]

    @cached_property
    def given(self) -> Batch:
        """Conditions of the examples."""
        return conditions(self.subject.composition.model, self.batch)

    @property
    def images(self) -> Tensor:
        """The data, `[n, C, H, W]`."""
        return self.batch[self.name]

    @property
    def shown(self) -> dict[str, Tensor]:
        """The data by what they are called, `[n, C, H, W]` each: where bits were made of them, what
        they were made of comes first."""
        data, part = self.subject.composition.data, self.subject.part
        found = data.originals(part, len(self)).get(self.name)
        x = {"x": self.images}
        return x if found is None else {"original": found} | x

    @cached_property
    def codes(self) -> Point:
        """E_q[z | x] of the examples, `[n, *event]` by latent."""
        _ = self.subject.latents
        return encode(self.subject.composition.model, self.batch)

    def draws(self, examples: Sequence[int]) -> Point:
        """z ~ p(z) under the conditions of these examples, `[m, *event]` by latent."""
        self.subject.need_bound()
        names, rows = self.subject.latents, torch.tensor(examples, device=self.subject.device)
        given = {name: value[rows] for name, value in self.given.items()}
        trace = simulate(self.subject.composition.model, len(rows), given, self.noise)
        return {name: drawn(trace, name) for name in names}

    @cached_property
    def labels(self) -> Tensor:
        """`[n]`.

        Raises:
            Inapplicable: the data have none.
        """
        return self.batch[label_of(self.subject)]

    @property
    def labelled(self) -> bool:
        """Whether the data have labels."""
        try:
            return bool(label_of(self.subject))
        except Inapplicable:
            return False

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
        return next(iter(shapes))

    @cached_property
    def class_means(self) -> dict[int, Point]:
        """Label → mean code of the first examples that have it."""
        many = self.subject.batch(POOL)
        z = encode(self.subject.composition.model, many)
        y = many[label_of(self.subject)]
        return {
            c: {name: code[y == c].mean(0) for name, code in z.items()}
            for c in sorted(set(y.tolist()))
        }

    def ends(self, latent: str) -> tuple[float, float]:
        """Between which values a dimension of a latent is moved: standard deviations of the prior,
        or a bit's probability."""
        bits = self._recognised.q[latent].dist.is_discrete
        return (0.0, 1.0) if bits else (-REACH, REACH)

    @cached_property
    def _recognised(self) -> Evidence:
        return infer(self.subject.composition.model, self.batch, 1, noise=self.noise)

    def decode(self, z: Point, example: int | Tensor = 0) -> Tensor:
        """E[x | z] as images `[m, C, H, W]`, under the conditions of these examples."""
        m = len(next(iter(z.values())))
        rows = torch.as_tensor(example, device=self.subject.device).expand(m)
        given = {name: value[rows] for name, value in self.given.items()}
        trace = generate_at(self.subject.composition.model, z, given, self.noise)
        return expected(trace, self.name).reshape(m, *self.images.shape[1:])

    @torch.no_grad()
    def divergences(self) -> tuple[str, dict[tuple[str, int], float]]:
        """How much each dimension of each latent carries, and what that is measured in: its mean
        KL from the prior, else the variance of its posterior mean."""
        evidence = self._recognised
        found: dict[tuple[str, int], float] = {}
        measured = "KL"
        for name in self.codes:
            kl = evidence.kl_by_dimension(name)
            if kl is None:
                measured = "Var"
        for name, mean in self.codes.items():
            kl = evidence.kl_by_dimension(name) if measured == "KL" else None
            each = mean.flatten(1).var(0) if kl is None else _averaged(kl, mean[0].numel())
            found |= {(name, d): value for d, value in enumerate(each.tolist())}
        return measured, found

    def __len__(self) -> int:
        return batch_size(self.batch)


def _averaged(kl: Tensor, width: int) -> Tensor:
    """`[width]` from `[…, *event]`."""
    return kl.reshape(-1, width).mean(0)
