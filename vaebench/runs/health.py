"""What a history tells of a run that is not well: a posterior that collapsed, steps that were undone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

PATIENCE = 3
"""Validations in a row without an active unit before a run warns of it."""

ACTIVE, RATE, UNDONE, STEP = "val/active_units", "val/kl", "train/undone", "step"
History = Mapping[str, np.ndarray[Any, Any]]


def collapsed_from(history: History, ended: bool = True) -> int | None:
    """The step since which no validation has found an active unit, where these are `PATIENCE` at least.

    Latents that sleep at first and wake later, as under annealing, have not collapsed.

    Args:
        history: column → its values, `step` among them.
        ended: whether fewer will do, since no more are to come.

    Returns:
        Nothing for latents that are not meant to tell of what is observed: their KL is 0 exactly.
    """
    if ACTIVE not in history or not np.nan_to_num(history.get(RATE, np.ones(1))).any():
        return None
    known = np.isfinite(history[ACTIVE])
    active = np.flatnonzero(history[ACTIVE][known])
    first = active[-1] + 1 if len(active) else 0
    asleep = history[STEP][known][first:]
    return int(asleep[0]) if len(asleep) >= (1 if ended else PATIENCE) else None


def undone(history: History) -> int:
    """How many steps were not finite, and were left out or rolled back."""
    found = history.get(UNDONE, np.zeros(0))
    return int(np.nanmax(found)) if np.isfinite(found).any() else 0


def warnings(history: History, ended: bool = True) -> list[dict[str, Any]]:
    """What a reader should know of a run: `kind`, `step` where it began, and `text`."""
    told: list[dict[str, Any]] = []
    if (step := collapsed_from(history, ended)) is not None:
        text = f"posterior collapse: no latent unit is active from step {step}"
        told.append({"kind": "collapse", "step": step, "text": text})
    if count := undone(history):
        text = f"{count} steps were not finite and were undone"
        told.append({"kind": "undone", "text": text})
    return told
