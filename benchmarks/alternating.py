"""Two ways of doing the same step, timed in blocks that take turns: what disturbs one disturbs both."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from vaebench.data import Spec
from vaebench.inference import outline
from vaebench.models import Model
from vaebench.objectives import ELBO
from vaebench.objectives.anneal import Constant
from vaebench.training.machine import keep_memory

Step = Callable[[], None]
WARM_UP = 5


@dataclass(frozen=True)
class Timing:
    """Of a pair of steps.

    Attributes:
        seconds: of the first, the median over blocks.
        ratio: of the first to the second, the median over blocks of each block's own.
        low, high: the quartiles of that ratio.
    """

    seconds: float
    ratio: float
    low: float
    high: float

    def within(self, limit: float) -> bool:
        """Whether the ratio is at most this."""
        return self.ratio <= limit

    def told(self) -> str:
        """The ratio with its quartiles."""
        return f"{self.ratio:.3f} ({self.low:.3f} to {self.high:.3f})"


def elbo_step(model: Model, spec: Spec, batches: Iterable[dict[str, Tensor]], kl: str) -> Step:
    """A training step of vaebench's ELBO with fused Adam, on one batch after the other."""
    objective = ELBO(
        model,
        outline(model, spec),
        k=1,
        kl=kl,
        beta=1.0,
        anneal=Constant(),
        free_bits=0.0,
        free_bits_per="dimension",
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    at, order = torch.tensor(0), itertools.cycle(batches)

    def step() -> None:
        optimizer.zero_grad()
        objective(model, next(order), at).loss.backward()
        optimizer.step()

    return step


def alternate(
    pairs: Mapping[str, tuple[Step, Step]], *, steps: int, blocks: int
) -> dict[str, Timing]:
    """Times each pair, in so many blocks of so many steps each."""
    keep_memory()  # as a run does; both sides have it
    for pair in pairs.values():
        for step in pair:
            _seconds(step, WARM_UP)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in pairs}
    for block in range(blocks):
        for name, pair in pairs.items():
            order = (0, 1) if block % 2 else (1, 0)
            found = {i: _seconds(pair[i], steps) for i in order}
            taken[name].append((found[0], found[1]))
    return {name: _timing(times) for name, times in taken.items()}


def _timing(times: list[tuple[float, float]]) -> Timing:
    low, middle, high = statistics.quantiles(a / b for a, b in times)
    return Timing(statistics.median(a for a, _ in times), middle, low, high)


def _seconds(step: Step, count: int) -> float:
    begun = time.perf_counter()
    for _ in range(count):
        step()
    return (time.perf_counter() - begun) / count
