"""The table at the end of a grid."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from vaebench.commands.compare import show
from vaebench.runs.find import find
from vaebench.runs.grid import REFUSED, Cell, cells_in, lost, swept
from vaebench.runs.layout import WANDB_OFFLINE
from vaebench.runs.results import reason_of


def report(grid: Path, jobs: Sequence[Cell]) -> bool | None:
    """Prints the table of a grid, and a line on standard error for each job that has no result.

    Args:
        grid: the folder of all its jobs.
        jobs: empty where a search decided on them as it went.

    Returns:
        None: all finished; True: some failed; False: those that did not finish were refused.
    """
    found = find([cell.folder for cell in jobs if cell.folder.exists()] or [grid])
    console = Console()
    if found.runs:
        console.print()
        cells = jobs or cells_in(grid)
        show(found, console, swept=swept(cells), lost=lost(cells, found.runs))
    done = {run.folder for run in found.runs}
    missing = {cell.name: reason_of(cell.folder) for cell in jobs if cell.folder not in done}
    for name, reason in missing.items():
        sys.stderr.write(f"vaebench: {name}: {reason.removeprefix(REFUSED)}\n")
    count = f"{len(done)} of {len(jobs) or len(done) + len(found.skipped)} jobs finished"
    console.print(f"{count} in {os.path.relpath(grid)}", highlight=False, soft_wrap=True)
    if any(list(folder.glob(WANDB_OFFLINE)) for folder in done):
        line = f"to upload   wandb sync {os.path.relpath(grid)}/*/{WANDB_OFFLINE}"
        console.print(line, highlight=False, soft_wrap=True)
    if not missing:
        return None
    console.print("the same command again runs those that are left", highlight=False)
    return not all(reason.startswith(REFUSED) for reason in missing.values())
