"""Codes of images whose factors are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from vaebench.data import Factors
from vaebench.data.seeds import EVALUATION, derived
from vaebench.inference import encode
from vaebench.measures.base import BATCH, Inapplicable, Numbers, Subject
from vaebench.measures.latents import ACTIVE
from vaebench.progress import steps

SAMPLES = 12
"""Stream of the noise of which examples are drawn."""


@dataclass(frozen=True)
class Coded:
    """Codes and factors of N examples.

    Attributes:
        z: `[N, D]`.
        v: integers from 0, `[N, F]`; each factor has two values at least.
        seed: of whatever a score draws.
    """

    z: np.ndarray
    v: np.ndarray
    seed: int = 0

    def __len__(self) -> int:
        return len(self.z)

    @property
    def rng(self) -> np.random.Generator:
        """The same at each reading."""
        return np.random.default_rng(self.seed)

    @cached_property
    def active(self) -> Coded:
        """Without dimensions that have collapsed: active units alone."""
        return replace(self, z=self.z[:, self.z.var(0) > ACTIVE])

    @property
    def true(self) -> Coded:
        """The factors as codes of themselves: what no code can exceed."""
        return replace(self, z=self.v.astype(float))

    def halves(self) -> tuple[Coded, Coded]:
        """To learn from, and to be tested on."""
        half = len(self) // 2
        first, second = ((self.z[rows], self.v[rows]) for rows in (slice(half), slice(half, None)))
        return replace(self, z=first[0], v=first[1]), replace(self, z=second[0], v=second[1])


Score = Callable[[Coded], Numbers]
"""Codes and factors → numbers by name."""


def need_factors(subject: Subject) -> Factors:
    """The data, whose factors are known.

    Raises:
        Inapplicable: they are not, or recognition reads them.
    """
    data = subject.composition.data
    if not isinstance(data, Factors):
        raise Inapplicable("the data have no known factors, as dataset=sprites has")
    _ = subject.latents
    if subject.composition.report.conditions:
        told = ", ".join(subject.composition.report.conditions)
        raise Inapplicable(f"codes under {told} are not of x alone")
    if subject.model.numbered:
        raise Inapplicable("q is sought for each numbered example, and these are drawn")
    return data


def examples_of(data: Factors, n: int, seed: int) -> dict[str, Tensor]:
    """A batch of n examples of independent factors."""
    generator = torch.Generator().manual_seed(derived(seed, EVALUATION, 2, SAMPLES))
    return data.drawn(n, generator)


def encoded(subject: Subject, batch: dict[str, Tensor]) -> np.ndarray:
    """E_q[z | x] of examples, all latents side by side, `[N, D]`."""
    found = []
    for rows in steps(torch.arange(len(batch["x"])).split(BATCH)):
        some = {name: value[rows].to(subject.device) for name, value in batch.items()}
        means = encode(subject.model, some)
        found.append(torch.cat([means[name].flatten(1) for name in subject.latents], 1).cpu())
    z = torch.cat(found).double().numpy()
    if not np.isfinite(z).all():
        raise Inapplicable("the codes are not finite")
    return z


def coded(subject: Subject, n: int) -> tuple[Coded, tuple[str, ...]]:
    """Codes of n examples, and the names of the factors that have several values."""
    data = need_factors(subject)
    batch = examples_of(data, n, subject.seed)
    names = tuple(name for name, levels in data.levels.items() if levels > 1)
    v = torch.stack([batch[name] for name in names], 1).numpy()
    return Coded(encoded(subject, batch), v, subject.seed), names
