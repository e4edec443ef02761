"""Seeds of independent streams, derived from a run's one seed, and where generators stand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

ORDER, BINARIZATION, EVALUATION, PICTURES, RANK, LABELS, CANVASES, SHAPES = range(8)


def derived(seed: int, stream: int, *more: int) -> int:
    """A seed for one stream of a run, independent of all others.

    Hashed, since a generator seeded with the run's own seed would repeat the run's noise, and
    torch's CPU generator reads no more than 32 bits of a seed.
    """
    return int(np.random.SeedSequence([seed, stream, *more]).generate_state(1)[0])


def noise_state(device: torch.device) -> dict[str, Tensor]:
    """Where the global generators stand: the CPU's, and the device's."""
    state = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        state[device.type] = getattr(torch, device.type).get_rng_state()
    return state


def set_noise_state(device: torch.device, state: dict[str, Tensor]) -> None:
    """What `noise_state` gave; a checkpoint of another kind of device brings the CPU's alone."""
    torch.set_rng_state(state["cpu"])
    if device.type in state and device.type != "cpu":
        getattr(torch, device.type).set_rng_state(state[device.type])


def reseed(device: torch.device, seed: int) -> None:
    """Global generators start anew: the CPU's, and the device's.

    `torch.manual_seed` would also leave a note, with a traceback, for each kind of device that is not
    in use.
    """
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        getattr(torch, device.type).manual_seed(seed)


@contextmanager
def seeded(device: torch.device, seed: int) -> Iterator[None]:
    """While open, the global generators draw from a seed; then they go on where they stood."""
    state = noise_state(device)
    reseed(device, seed)
    try:
        yield
    finally:
        set_noise_state(device, state)
