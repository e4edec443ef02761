"""`python -m vaebench.commands.worker FOLDER [CHECKPOINT]`: one more process of a run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rich.console import Console

from vaebench.commands.saved import load_config
from vaebench.compose import compose
from vaebench.training import build_system, build_trainer, fit
from vaebench.training.checkpoints import Stopped
from vaebench.training.processes import leave_with_parent


def work(folder: Path, checkpoint: Path | None) -> None:
    """Trains and evaluates as the first process does, and writes nothing."""
    cfg, _ = load_config(folder)
    system = build_system(cfg, compose(cfg))
    trainer = build_trainer(cfg, system, folder, Console(quiet=True))
    fit(cfg, system, trainer, checkpoint)


if __name__ == "__main__":
    leave_with_parent()
    sys.path.append(os.getcwd())
    try:
        work(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    except Stopped:
        pass
    except Exception as error:
        sys.stderr.write(f"{type(error).__name__}: {' '.join(str(error).split())}\n")
        raise SystemExit(1) from error
    # Not past the interpreter's own end, where a thread that waits for the parent would linger.
    sys.stderr.flush()
    os._exit(0)
