"""The jobs of a grid: what is left to do of each, and the table at its end."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console

from vaebench.commands.compare import show
from vaebench.commands.train import config_of
from vaebench.errors import Refusal
from vaebench.measures.runs import ERROR, find, first_line
from vaebench.suggest import use

REFUSED = "refused: "
Job = tuple[str, Path]
"""What a cell is called, and the folder of its run."""

ELSEWHERE = ("config.data_dir",)
"""Options that may differ between two calls of a command without making another run of it."""


def finished(cfg: DictConfig, folder: Path) -> dict[str, Any] | None:
    """The summary of a job that an earlier call of the same command has finished.

    Raises:
        Refusal: the folder holds a run of other options.
    """
    runs = [run for run in find([folder]).runs if run.folder == folder]
    if not runs:
        return None  # a summary that cannot be read is no result either
    summary = runs[0].summary
    for name, value in config_of(cfg).items():
        if name not in ELSEWHERE and summary.get(name) != value:
            raise Refusal(
                f"{folder} holds a run with {name.removeprefix('config.')}={summary.get(name)}, not "
                f"{value}.{use(f'hydra.sweep.dir={folder.parent}-2')}"
            )
    return summary


def note_refusal(folder: Path, line: str) -> None:
    """Leaves word of a job that never began; its process may not be the one that reports."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ERROR).write_text(f"{REFUSED}{line}\n", encoding="utf-8")


def report(grid: Path, jobs: Sequence[Job]) -> bool | None:
    """Prints the table of a grid, and a line on standard error for each job that has no result.

    Args:
        grid: the folder of all its jobs.
        jobs: empty where a search decided on them as it went.

    Returns:
        None: all finished; True: some failed; False: those that did not finish were refused.
    """
    found = find([folder for _, folder in jobs if folder.exists()] or [grid])
    console = Console()
    if found.runs:
        console.print()
        show(found, console)
    done = {run.folder for run in found.runs}
    missing = {name: _reason(folder) for name, folder in jobs if folder not in done}
    for name, reason in missing.items():
        sys.stderr.write(f"vaebench: {name}: {reason.removeprefix(REFUSED)}\n")
    count = f"{len(done)} of {len(jobs) or len(done) + len(found.skipped)} jobs finished"
    console.print(f"{count} in {os.path.relpath(grid)}", highlight=False, soft_wrap=True)
    if any(list(folder.glob("wandb/offline-run-*")) for folder in done):
        line = f"to upload   wandb sync {os.path.relpath(grid)}/*/wandb/offline-run-*"
        console.print(line, highlight=False, soft_wrap=True)
    if not missing:
        return None
    console.print("the same command again runs those that are left", highlight=False)
    return not all(reason.startswith(REFUSED) for reason in missing.values())


def _reason(folder: Path) -> str:
    """Why a job has no result."""
    path = folder / ERROR
    return first_line(path) if path.exists() else "did not finish"
