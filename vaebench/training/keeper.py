"""Writing the checkpoints from which a run continues bit for bit."""

from __future__ import annotations

import math
import os
import shutil
import signal
import threading
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor

from vaebench.runs.layout import BEST, LAST, PREVIOUS
from vaebench.training.checkpoints import Stopped
from vaebench.training.stepwise import NEVER, Stepwise

if TYPE_CHECKING:
    from vaebench.training.system import System

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Keeper(Stepwise):
    """Saves `last.ckpt` at each epoch's end and every so many steps, and when asked to stop.

    A signal is answered after the step at hand, and after its validation where one is due.

    Args:
        folder: the run folder.
        every: steps between checkpoints within an epoch; 0: none.
        best: which is to be on disk before.
        spared: tells whether an epoch's end, if it is not the last, may go without.
    """

    def __init__(self, folder: Path, every: int, best: Best, spared: Callable[[], bool]) -> None:
        self.folder, self.every, self.best, self.spared = folder, every, best, spared
        self.asked: signal.Signals | None = None
        self.before: dict[signal.Signals, Any] = {}

    def due(self, trainer: pl.Trainer, system: System) -> int:
        return (trainer.global_step // self.every + 1) * self.every if self.every else NEVER

    def on_train_start(self, trainer: pl.Trainer, system: System) -> None:
        self.system = system
        if threading.current_thread() is threading.main_thread():
            self.before = {s: signal.signal(s, self.note) for s in SIGNALS}

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        if trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            return  # validation comes first; the epoch's end saves
        if self._stopping(trainer) or (self.every and trainer.global_step % self.every == 0):
            self._save(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, system: pl.LightningModule) -> None:
        if is_last(trainer) or self._stopping(trainer) or not self.spared():
            self._save(trainer)

    def on_train_end(self, *args: Any) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before = {}

    def on_exception(self, trainer: pl.Trainer, system: pl.LightningModule, error: Any) -> None:
        self.best.settle(trainer)
        self.on_train_end()

    def note(self, number: int, frame: FrameType | None) -> None:
        """Somebody asks the run to stop."""
        self.asked = signal.Signals(number)
        self.system.interrupted = True

    def _stopping(self, trainer: pl.Trainer) -> bool:
        """Whether any of the processes that train together was asked to."""
        return trainer.strategy.reduce_boolean_decision(self.asked is not None, all=False)

    def _save(self, trainer: pl.Trainer) -> None:
        self.best.settle(trainer)
        save(trainer, self.folder)
        if self._stopping(trainer):
            line = f"stopped by {(self.asked or SIGNALS[0]).name} at step {trainer.global_step}"
            raise Stopped(f"{line}; continue with: vaebench resume {self.folder}")


class Best(pl.Callback):
    """Saves `best.ckpt` whenever a validation is the best so far.

    Args:
        folder: the run folder.
        monitor: the metric.
        mode: `max` or `min`.
        waits: whether it is written with the next `last.ckpt` alone, and kept in memory until then.
    """

    def __init__(self, folder: Path, monitor: str, mode: str, *, waits: bool = False) -> None:
        self.folder, self.monitor, self.sign = folder, monitor, 1 if mode == "max" else -1
        self.best, self.waits = -math.inf, waits
        self.held: dict[str, Any] | None = None

    def on_validation_end(self, trainer: pl.Trainer, system: pl.LightningModule) -> None:
        value = self.sign * float(trainer.callback_metrics[self.monitor])
        if value > self.best:
            self.best = value
            if self.waits and trainer.state.fn == TrainerFn.FITTING:
                self.held = kept(trainer._checkpoint_connector.dump_checkpoint(False))
            else:
                write(trainer, self.folder / BEST)

    def settle(self, trainer: pl.Trainer) -> None:
        """What is kept in memory goes to the disk."""
        if self.held is not None:
            write(trainer, self.folder / BEST, self.held)
            self.held = None

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best = state["best"]


def kept(value: Any) -> Any:
    """A copy that stays as it is; `deepcopy` takes several times as long."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {name: kept(one) for name, one in value.items()}
    if isinstance(value, list):
        return [kept(one) for one in value]
    return value if isinstance(value, str | int | float | None) else deepcopy(value)


def write(trainer: pl.Trainer, path: Path, held: dict[str, Any] | None = None) -> None:
    """A checkpoint, of now or of what was held, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    try:
        if held is None:
            trainer.save_checkpoint(part)
        else:
            trainer.strategy.save_checkpoint(held, part)
        if trainer.is_global_zero:
            os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def save(trainer: pl.Trainer, folder: Path) -> None:
    """`last.ckpt` of a run folder; the one before stays as `previous.ckpt`."""
    if trainer.is_global_zero and (folder / LAST).exists():
        _keep_as_previous(folder)
    write(trainer, folder / LAST)


def _keep_as_previous(folder: Path) -> None:
    """A second name for the last checkpoint, so that there is one under its own at any moment."""
    second = folder / f"{PREVIOUS}.part"
    second.unlink(missing_ok=True)
    try:
        os.link(folder / LAST, second)
    except OSError:  # a file system without hard links
        shutil.copyfile(folder / LAST, second)
    os.replace(second, folder / PREVIOUS)


def is_last(trainer: pl.Trainer) -> bool:
    """Whether the epoch that ends is the last."""
    of_epochs, of_steps = trainer.current_epoch + 1, trainer.global_step
    over = of_epochs == trainer.max_epochs or of_steps == trainer.max_steps
    return over or trainer.should_stop
