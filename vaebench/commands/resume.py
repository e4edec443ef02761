"""`vaebench resume RUN`: continues a stopped run in its own folder."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from vaebench.commands.options import one_run
from vaebench.commands.saved import load_config
from vaebench.commands.train import train
from vaebench.errors import Refusal
from vaebench.runs.layout import SUMMARY, run_folder
from vaebench.training.checkpoints import newest_good, step_of


def resume(arguments: Sequence[str]) -> None:
    """Continues from the newest good checkpoint; from the start where there is none.

    Raises:
        Refusal: not one run, or nothing to continue.
    """
    path = one_run("resume", arguments)
    folder = run_folder(path)
    if (folder / SUMMARY).exists():
        raise Refusal(f"{path} is finished: nothing to resume")
    cfg, choices = load_config(folder)
    checkpoint, complaints = newest_good(folder)
    console = Console()
    for line in complaints:
        console.print(line, highlight=False, soft_wrap=True)
    step = 0 if checkpoint is None else step_of(checkpoint)
    console.print(f"resuming {path} at step {step}", highlight=False)
    train(cfg, choices, folder, checkpoint)
