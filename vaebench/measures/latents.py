"""Which latent dimensions carry anything: active units, and the KL of each."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import torch
from torch import Tensor

from vaebench.data import Batch
from vaebench.inference import common_draws, depends_on_draws
from vaebench.models import Model
from vaebench.trace import Evidence

ACTIVE = 0.01
"""Var_x(E_q[z_d | x]) above which a unit is active (Burda, Grosse, Salakhutdinov 2016)."""

MOST = 200
"""Dimensions whose KLs are reported one by one."""

DRAWS = 16
"""Draws of what a latent depends on, for Var_x(E_q[z_d | x])."""


ZERO = torch.zeros(())


@dataclass
class Moments:
    """Running mean and sum of squared deviations of vectors, batch by batch (Chan et al. 1979)."""

    count: int = 0
    mean: Tensor = ZERO
    squares: Tensor = ZERO

    def add(self, values: Tensor) -> None:
        """A batch `[B, D]`."""
        size, mean, before = len(values), values.mean(0), self.count
        self.count, shift = before + size, mean - self.mean
        between = shift.square() * before * size / self.count
        self.squares = self.squares + (values - mean).square().sum(0) + between
        self.mean = self.mean + shift * (size / self.count)

    @property
    def variance(self) -> Tensor:
        """Over all examples so far, `[D]`."""
        return self.squares / max(1, self.count - 1)


class Draws:
    """Var_x(E[m(x, ε)]) of values `[n, B, D]` under n draws of ε, each common to all examples.

    The mean covariance over x of two draws, 1/(n(n-1)) Σ_{i≠j} Cov_x(m(x, ε_i), m(x, ε_j)): without
    bias however few they are, and 0 for what moves with ε alone. The variance of the mean over draws
    would count part of Var(m | x) as well.
    """

    def __init__(self) -> None:
        self.mean, self.each, self.n = Moments(), Moments(), 0

    def add(self, values: Tensor) -> None:
        """Of a batch of examples; the same draws at every call."""
        self.n = len(values)
        self.mean.add(values.mean(0))
        self.each.add(values.movedim(0, 1).flatten(1))

    @property
    def variance(self) -> Tensor:
        """Over all examples so far, `[D]`."""
        each = self.each.variance.view(self.n, -1).mean(0)
        return (self.n * self.mean.variance - each) / (self.n - 1)


class Latents:
    """Accumulates, over the batches of a pass, what each latent dimension does; of classes, each
    one-hot variable.

    `active_units` counts dimensions with Var_x(E_q[z_d | x]) > 0.01, and variables of which that holds
    for the probability of one class. `kl/z.d` is E_x KL(q_d ‖ p_d), where the KL is a sum over
    dimensions in closed form; of more than 200 dimensions `kl/z` alone.

    E_q[z | x] of a latent whose q depends on another's draw, or which is moved after it was drawn,
    is itself a mean over draws: 16 of its own, so that the objective's k plays no part.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.means = defaultdict[str, Moments](Moments)
        self.draws = defaultdict[str, Draws](Draws)
        self.kls = defaultdict[str, Moments](Moments)
        self.classes: dict[str, int] = {}

    def add(self, batch: Batch, evidence: Evidence) -> None:
        """A batch and its evidence."""
        varied = [name for name in evidence.latents if depends_on_draws(evidence.q[name].dist)]
        for name, values in common_draws(self.model, batch, DRAWS, varied).items():
            self.draws[name].add(_exact(values).flatten(2))
        for name in evidence.latents:
            dist = evidence.q[name].dist
            self.classes[name] = dist.classes
            if name not in varied:
                self.means[name].add(_rows(dist.mean, dist.event_shape))
            kl = evidence.kl_by_dimension(name)
            if kl is not None:
                self.kls[name].add(_rows(kl, kl.shape[-1:]))

    def read(self) -> dict[str, float]:
        """`kl/z.d` and `active_units`; nothing where there are no latents."""
        return self.divergences | ({"active_units": self.active} if self.variances else {})

    @property
    def variances(self) -> dict[str, Tensor]:
        """Var_x(E_q[z_d | x]) of each latent, `[D]`."""
        found: dict[str, Moments | Draws] = {**self.means, **self.draws}
        return {n: of_variables(each.variance, self.classes[n]) for n, each in found.items()}

    @property
    def active(self) -> float:
        """Number of active units."""
        return float(sum((v > ACTIVE).sum() for v in self.variances.values()))

    @property
    def divergences(self) -> dict[str, float]:
        """`kl/z.d` → E_x KL(q_d ‖ p_d); `kl/z`, their sum, where all latents together have more
        dimensions than one wants to read."""
        if sum(kl.mean.numel() for kl in self.kls.values()) > MOST:
            return {f"kl/{name}": kl.mean.sum().item() for name, kl in self.kls.items()}
        return {
            f"kl/{name}.{d}": value
            for name, kl in self.kls.items()
            for d, value in enumerate(kl.mean.tolist())
        }


def of_variables(variance: Tensor, classes: int) -> Tensor:
    """The variance of each one-hot variable, `[D]`: that of its most varied class, of `[D · C]`."""
    return variance.view(-1, classes).amax(-1)


def _exact(values: Tensor) -> Tensor:
    return values.detach().cpu().double()  # some accelerators have no float64


def _rows(values: Tensor, event: torch.Size) -> Tensor:
    """`[*event]`, `[B, *event]` or `[k, B, *event]`, the last averaged over k → `[*, D]`."""
    whole = _exact(values)
    return (whole.mean(0) if values.ndim == len(event) + 2 else whole).reshape(-1, event.numel())
