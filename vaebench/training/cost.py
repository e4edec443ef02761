"""What a training step takes, tried out on a real batch."""

from __future__ import annotations

import math
import os
import time
import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vaebench.composition import Composition
from vaebench.data import Batch, Loader
from vaebench.distributions import GLOBAL
from vaebench.inference import batch_size
from vaebench.objectives.pure import Step

BUDGET = 0.3
"""Seconds of trials after which no larger part of a batch is tried."""

LONG = 2.0
"""Seconds of a trial that nobody would wait for twice."""

FIRST, GROWTH = 2, 4
"""Examples of the first trial, and how many times as many the next one has."""


@dataclass(frozen=True)
class Cost:
    """Of one step.

    Attributes:
        seconds: forwards and backwards.
        memory: bytes of all tensors that it needs at once, weights and their gradients among them.
    """

    seconds: float
    memory: float


def cost_of_step(composition: Composition, batch_size: int, device: torch.device) -> Cost:
    """What a step of a run will take; of as many examples as time allows, were it for all."""
    step = Step(composition.model, composition.objective).to(device)
    split = composition.split("train").to(device)
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        batch = next(iter(Loader(split, batch_size, shuffle=True)))
        return _cost(step, batch)


def _cost(step: Step, batch: Batch) -> Cost:
    whole, tried = batch_size(batch), _trials(step, batch)
    n, seconds = tried[-1]
    before, less = tried[-2] if len(tried) > 1 else (0, 0.0)
    seconds += max(0.0, seconds - less) / (n - before) * (whole - n)
    return Cost(seconds, _memory(step, _first(batch, n), whole / n))


def _trials(step: Step, batch: Batch) -> list[tuple[int, float]]:
    """Parts of a batch, each larger than the last, and the seconds of a step on each."""
    whole, n = batch_size(batch), min(FIRST, batch_size(batch))
    seconds = _seconds(step, _first(batch, n))
    if seconds < BUDGET:
        seconds = _seconds(step, _first(batch, n))  # the first call has more to do than the next
    tried = [(n, seconds)]
    while n < whole and seconds < LONG and (len(tried) < 2 or sum(s for _, s in tried) < BUDGET):
        n = min(GROWTH * n, whole)
        seconds = _seconds(step, _first(batch, n))
        if seconds < BUDGET / 3:  # what is quick is easily disturbed
            seconds = min(seconds, _seconds(step, _first(batch, n)))
        tried.append((n, seconds))
    return tried


def _first(batch: Batch, n: int) -> Batch:
    return {name: value[:n] for name, value in batch.items()}


def _seconds(step: Step, batch: Batch) -> float:
    """Of a step that is not compiled: each size of a batch would be compiled anew."""
    begun, used = time.perf_counter(), time.process_time()
    _loss(step, batch).backward()
    step.zero_grad()
    if (kind := next(iter(batch.values())).device.type) != "cpu":
        getattr(torch, kind).synchronize()
        return time.perf_counter() - begun
    # Beside other programs the clock goes on while this one waits; its threads work at once.
    return min(time.perf_counter() - begun, time.process_time() - used)


def _memory(step: Step, batch: Batch, scale: float) -> float:
    """Bytes of a step on `scale` times as many examples; weights and gradients are no more of them."""
    weights = sum(p.nbytes for p in step.parameters())
    with Live() as live:
        loss = _loss(step, batch)
        forwards = live.peak
        loss.backward()
    step.zero_grad()
    return max(weights + live.peak, 2 * weights + forwards * scale)


def _loss(step: Step, batch: Batch) -> Tensor:
    loss, _ = step(batch, torch.zeros((), dtype=torch.long), GLOBAL)
    return loss


def memory_of(device: torch.device) -> float:
    """Bytes that the device has; infinity where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[1]
    if not hasattr(os, "sysconf"):  # Windows
        return math.inf
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


class Live(TorchDispatchMode):
    """Counts the bytes of all tensors that are made while it is open and still live.

    Attributes:
        peak: the most so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known: dict[int, weakref.ref] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here, and to say so would import the compiler: a second."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = {x.untyped_storage()._cdata for x in tree_leaves(args) if isinstance(x, Tensor)}
        found = func(*args, **(kwargs or {}))
        for x in tree_leaves(found):
            if isinstance(x, Tensor) and x.untyped_storage()._cdata not in given:
                self._note(x.untyped_storage())
        return found

    def _note(self, storage: torch.UntypedStorage) -> None:
        """Of a storage that was not there before; a view's was."""
        key = storage._cdata
        if key in self.known:
            return
        size = storage.nbytes()

        def gone(_: Any) -> None:
            del self.known[key]
            self.now -= size

        self.known[key] = weakref.ref(storage, gone)
        self.now += size
        self.peak = max(self.peak, self.now)
