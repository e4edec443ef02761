"""What is told of each step of the optimizer, of which one of Lightning's batches may hold many."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl

if TYPE_CHECKING:
    from vaebench.training.system import System

NEVER = 2**62

HEARD = (
    *("on_train_batch_start", "on_train_batch_end", "on_before_zero_grad"),
    *("on_before_backward", "on_after_backward", "on_before_optimizer_step"),
)
"""Lightning's hooks that a callback has because it wants to be told of each step."""


class Stepwise(pl.Callback):
    """A callback that is told of steps by name, and of batches where they end.

    A block of steps may be taken back and taken again one by one, so what a callback keeps of steps
    has to be in its `state_dict`.
    """

    def before_step(self, trainer: pl.Trainer, system: System) -> None:
        """`trainer.global_step` steps are done."""

    def after_step(self, trainer: pl.Trainer, system: System) -> None:
        """`trainer.global_step` steps are done; the last may have been left out."""

    def not_finite(self, trainer: pl.Trainer, system: System) -> None:
        """The loss or a gradient of the step at hand is none; its update is about to be left out."""

    def due(self, trainer: pl.Trainer, system: System) -> int:
        """The next step with which a block must end, for this callback's `on_train_batch_end`."""
        return NEVER


def hears_batches(callback: pl.Callback) -> bool:
    """Whether a callback of Lightning's kind wants to be told of each step."""
    overridden = (getattr(type(callback), name) is not getattr(pl.Callback, name) for name in HEARD)
    return not isinstance(callback, Stepwise) and any(overridden)


def hears(callback: Stepwise, what: Callable[..., Any]) -> bool:
    """Whether a callback has a word of its own to this."""
    return getattr(type(callback), what.__name__) is not what
