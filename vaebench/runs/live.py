"""Runs that have not finished: how far each is, whether it still runs, and what takes it on."""

from __future__ import annotations

import json
import math
import os
import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vaebench.runs.clock import read_clock
from vaebench.runs.find import Run, run_folders
from vaebench.runs.grid import REFUSED
from vaebench.runs.health import warnings
from vaebench.runs.history import read_arrays
from vaebench.runs.layout import BEGUN, CLOCK, CONFIG, ERROR, GRID, HISTORY, LAST, SUMMARY
from vaebench.runs.results import reason_of
from vaebench.runs.write import near
from vaebench.suggest import command_line

SILENT = 600.0
"""Seconds without a word after which a run of another machine counts as stopped."""

WAITING, RUNNING, STOPPED, FAILED, DONE = "waiting", "running", "stopped", "failed", "done"


@dataclass(frozen=True)
class Job:
    """A run that is to be, or is on its way.

    Attributes:
        folder: where it lies, or will.
        state: `waiting`, `running`, `stopped`, `failed` or `done`.
        step: how far it is; 0 before the first entry of its history.
        steps: how many it is to take; 0 where that is not known yet.
        seconds: of training so far.
        reason: why it failed.
        resume: the command that takes it on; empty where it needs none.
        warned: what a reader should know of it.
        run: what is known of it so far, as of a finished run; nothing before it has begun.
    """

    folder: Path
    state: str
    step: int = 0
    steps: int = 0
    seconds: float = 0.0
    reason: str = ""
    resume: str = ""
    warned: list[dict[str, Any]] = field(default_factory=list)
    run: Run | None = None

    @property
    def left(self) -> float:
        """Seconds of training that are left, at the pace so far; not a number before there is one."""
        if self.state != RUNNING or not self.step or not self.steps:
            return math.nan
        return self.seconds * (self.steps - self.step) / self.step


def jobs_in(paths: Iterable[Path]) -> list[Job]:
    """The runs in or below some folders, and those that a grid there has still to begin."""
    folders = dict.fromkeys([*run_folders(paths), *_planned(paths)])
    return [job_of(folder) for folder in folders]


def job_of(folder: Path) -> Job:
    """One of them, as it is at the moment."""
    if (folder / SUMMARY).exists():
        return Job(folder, DONE)
    if not (folder / CONFIG).exists() and not (folder / ERROR).exists():
        return Job(folder, WAITING)
    begun, history = _begun(folder), read_arrays(folder / HISTORY, whole=True)
    clock = read_clock(folder / CLOCK)
    state, reason = _state(folder, begun)
    warned = warnings(history, ended=state != RUNNING)
    known: dict[str, Any] = {"state": state, "reason": reason, "warned": warned}
    if len(clock.get("step", ())):
        step, seconds, _, of = (clock[name][-1] for name in ("step", "seconds", "epoch", "of"))
        known |= {"step": int(step), "steps": int(of), "seconds": float(seconds)}
    if state in (STOPPED, FAILED) and not reason.startswith(REFUSED):
        known["resume"] = command_line("resume", near(folder))
    return Job(folder, run=_so_far(folder, begun, history), **known)


def _planned(paths: Iterable[Path]) -> list[Path]:
    """The folders of all jobs that grids have noted."""
    found = []
    for path in paths:
        for note in sorted(path.rglob(GRID)):
            try:
                jobs = json.loads(note.read_text(encoding="utf-8"))["jobs"]
                found += [note.parent / job["folder"] for job in jobs]
            except (OSError, ValueError, KeyError, TypeError):
                continue  # half-written, or of another program
    return found


def _begun(folder: Path) -> dict[str, Any]:
    """What was known before the first step; nothing where a run has not come so far."""
    try:
        found = json.loads((folder / BEGUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _state(folder: Path, begun: Mapping[str, Any]) -> tuple[str, str]:
    """Whether it runs, and why not."""
    if (folder / ERROR).exists():
        return FAILED, reason_of(folder)
    if begun.get("host") == platform.node():
        return (RUNNING, "") if _lives(int(begun["process"])) else (STOPPED, "its process ended")
    heard = max((folder / name).stat().st_mtime for name in _signs(folder))
    silent = time.time() - heard
    return (RUNNING, "") if silent < SILENT else (STOPPED, f"silent for {silent / 60:.0f} minutes")


def _signs(folder: Path) -> list[str]:
    return [name for name in (CONFIG, BEGUN, HISTORY, LAST) if (folder / name).exists()]


def _lives(process: int) -> bool:
    """Whether there is a process of this number on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _so_far(folder: Path, begun: Mapping[str, Any], history: Mapping[str, Any]) -> Run | None:
    """The run with the last value of each metric; nothing before it has any."""
    if "quantity" not in begun or "choices.dataset" not in begun:
        return None
    latest = {}
    for name, values in history.items():
        known = values[[math.isfinite(value) for value in values]]
        if name != "step" and len(known):
            latest[name] = float(known[-1])
    return Run(folder, latest | dict(begun))
