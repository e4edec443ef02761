"""`python -m vaebench.commands.worker FOLDER [CHECKPOINT]`: one more process of a run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rich.console import Console

from vaebench.commands.saved import load_config
from vaebench.paths import find_classes
from vaebench.training import fit, prepare
from vaebench.training.checkpoints import Stopped
from vaebench.training.processes import leave_with_parent, report_ready


def work(folder: Path, checkpoint: Path | None) -> None:
    """Trains and evaluates as the first process does, and writes nothing."""
    cfg, _ = load_config(folder)
    _, system, trainer = prepare(cfg, folder, Console(quiet=True))
    report_ready()
    fit(cfg, system, trainer, checkpoint)


def main(arguments: list[str]) -> int:
    """The exit code; the last line on standard error says what went wrong."""
    leave_with_parent()
    find_classes()
    try:
        work(Path(arguments[0]), Path(arguments[1]) if len(arguments) > 1 else None)
    except Stopped:
        return 0
    except Exception as error:
        sys.stderr.write(f"{type(error).__name__}: {' '.join(str(error).split())}\n")
        return 1
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)  # the thread that waits for the parent would hold up the interpreter's own end
