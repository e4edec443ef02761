"""Checkpoints from which a run continues bit for bit, and where to find the newest good one."""

from __future__ import annotations

import math
import os
import pickle
import shutil
import signal
import threading
import zipfile
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf
from torch import nn

from vaebench.compose import Composition
from vaebench.errors import Refusal, RunFailed
from vaebench.runs.find import section
from vaebench.runs.layout import BEST, CONFIG, LAST, PREVIOUS, WEIGHTS, run_folder
from vaebench.training.average import evaluated

SIGNALS = (signal.SIGTERM, signal.SIGINT)
UNREADABLE = (RuntimeError, OSError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile)


class Stopped(RunFailed):
    """A run that was asked to end, and saved itself first."""

    ends_grid = True


class Keeper(pl.Callback):
    """Saves `last.ckpt` at each epoch's end and every so many steps, and when asked to stop.

    A signal is answered at the end of the batch, after its validation where one is due.

    Args:
        folder: the run folder.
        every: steps between checkpoints within an epoch; 0: none.
    """

    def __init__(self, folder: Path, every: int) -> None:
        self.folder, self.every = folder, every
        self.asked: signal.Signals | None = None
        self.before: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, system: pl.LightningModule) -> None:
        if threading.current_thread() is threading.main_thread():
            self.before = {s: signal.signal(s, self._note) for s in SIGNALS}

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        if trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            return  # validation comes first; the epoch's end saves
        if self._stopping(trainer) or (self.every and trainer.global_step % self.every == 0):
            self._save(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, system: pl.LightningModule) -> None:
        self._save(trainer)

    def on_train_end(self, *args: Any) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before = {}

    def on_exception(self, *args: Any) -> None:
        self.on_train_end()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = signal.Signals(number)

    def _stopping(self, trainer: pl.Trainer) -> bool:
        """Whether any of the processes that train together was asked to."""
        return trainer.strategy.reduce_boolean_decision(self.asked is not None, all=False)

    def _save(self, trainer: pl.Trainer) -> None:
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
    """

    def __init__(self, folder: Path, monitor: str, mode: str) -> None:
        self.folder, self.monitor, self.sign = folder, monitor, 1 if mode == "max" else -1
        self.best = -math.inf

    def on_validation_end(self, trainer: pl.Trainer, system: pl.LightningModule) -> None:
        value = self.sign * float(trainer.callback_metrics[self.monitor])
        if value > self.best:
            self.best = value
            write(trainer, self.folder / BEST)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best = state["best"]


def write(trainer: pl.Trainer, path: Path) -> None:
    """A checkpoint, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    try:
        trainer.save_checkpoint(part)
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


def newest_good(folder: Path) -> tuple[Path | None, list[str]]:
    """The newest checkpoint that can be read, and a line on each that cannot."""
    complaints = []
    for path in filter(Path.exists, (folder / LAST, folder / PREVIOUS)):
        try:
            torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except UNREADABLE as e:
            complaints.append(f"{path} is corrupt ({str(e).splitlines()[0][:80]}), skipped")
        else:
            return path, complaints
    return None, complaints


def step_of(checkpoint: Path) -> int:
    """Steps taken before a checkpoint."""
    return int(
        torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)["global_step"]
    )


def checkpoint_of(folder: Path, name: str) -> tuple[Path, dict[str, Any]]:
    """The file of a run's `best` or `last` weights, and what it holds.

    Raises:
        Refusal: there are none, or they are corrupt.
    """
    path = folder / WEIGHTS[name]
    if not path.exists():
        raise Refusal(f"{folder} has no {WEIGHTS[name]}: nothing was trained there yet")
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise Refusal(f"{path} is corrupt") from error
    if not isinstance(held, dict) or "state_dict" not in held:
        raise Refusal(f"{path} is no checkpoint of a run")
    return path, held


def restore(composition: Composition, state: dict[str, torch.Tensor]) -> None:
    """The weights that a run evaluates, from the state of its system, and its objective's own state.

    Raises:
        RuntimeError: they are of another model.
    """
    composition.model.load_state_dict(evaluated(state))
    # Of a run of an older version there may be less.
    composition.objective.load_state_dict(section(state, "objective."), strict=False)


def initialise(model: nn.Module, run: str) -> None:
    """Starts a model from the weights that a run evaluated.

    Raises:
        Refusal: where they do not fit.
    """
    folder = run_folder(run)
    config = OmegaConf.load(folder / CONFIG)
    try:
        _, held = checkpoint_of(folder, config.eval.checkpoint)
    except Refusal as refusal:
        raise Refusal(f"init_from={run}: {refusal}") from refusal
    weights = evaluated(held["state_dict"])
    own = model.state_dict()
    for name in sorted(own.keys() ^ weights.keys()):
        where = "this model" if name in own else "the run"
        raise Refusal(f"init_from={run}: only {where} has {name}; compose the same model and nets")
    for name, value in own.items():
        if value.shape != weights[name].shape:
            shapes = f"{list(weights[name].shape)} in the run, {list(value.shape)} here"
            raise Refusal(f"init_from={run}: {name} is {shapes}")
    model.load_state_dict(weights)
