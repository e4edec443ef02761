"""What checkpoints hold, and where to find the newest good one."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from torch import nn

from vaebench.composition import Composition
from vaebench.errors import Refusal, RunFailed
from vaebench.runs.find import section
from vaebench.runs.layout import CONFIG, LAST, PREVIOUS, WEIGHTS, run_folder
from vaebench.training.average import evaluated

UNREADABLE = (RuntimeError, OSError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile)


class Stopped(RunFailed):
    """A run that was asked to end, and saved itself first."""

    ends_grid = True


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
