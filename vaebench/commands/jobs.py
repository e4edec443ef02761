"""What runs the jobs of a command line: one, or the cells of a grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from vaebench.commands.attributed import attributed
from vaebench.commands.codes import make_codes
from vaebench.commands.importing import importing
from vaebench.commands.pace import Pace
from vaebench.config.advise import advise
from vaebench.config.gate import Grid, Made, Stop, job_name
from vaebench.config.groups import leading
from vaebench.config.schema import check_keys, check_ranges, resolving
from vaebench.errors import Refusal, RunFailed
from vaebench.paths import conf_dir
from vaebench.runs.grid import already, finished, note_refusal

Command = Callable[[DictConfig, dict[str, str], Path], dict[str, Any] | None]


@dataclass(frozen=True)
class Job:
    """One run of a command line, and the error that ended it, if any.

    Errors are kept rather than raised: Hydra would print its own lines, and stop a grid.
    """

    error: Refusal | RunFailed | None = None
    value: float | None = None
    """What a search maximises or minimises: the last validation bound, else its loss."""


def run_job(cfg: DictConfig, command: Command, pace: Pace) -> Job:
    """A single run, or one cell of a grid."""
    hydra_cfg = HydraConfig.get()
    folder = Path(hydra_cfg.runtime.output_dir)
    choices = {g: c for g, c in hydra_cfg.runtime.choices.items() if "/" not in g}
    grid = hydra_cfg.mode is RunMode.MULTIRUN
    beside_others = grid and not hydra_cfg.launcher._target_.endswith("BasicLauncher")
    try:
        with attributed(f"job {hydra_cfg.job.num} │ ") if beside_others else nullcontext():
            if grid:
                number = hydra_cfg.job.num
                left = "" if beside_others else pace.left(number, Grid.jobs)
                place = pace.place(number, Grid.jobs) + left
                print(f"\n{job_name(hydra_cfg)}{place}", flush=True)
                command = partial(run_cell, pace=pace)
            summary = command(cfg, choices, folder) or {}
    except (Refusal, RunFailed) as error:
        if getattr(error, "ends_grid", False):
            raise Stop(error) from error  # past Hydra, which would start the next job
        if not hydra_cfg.sweeper._target_.endswith("BasicSweeper"):
            raise  # a search counts its failures itself
        return Job(error)
    return Job(value=summary.get("val/bound", summary.get("val/loss")))


def run_cell(cfg: DictConfig, choices: dict[str, str], folder: Path, pace: Pace) -> dict[str, Any]:
    """What is left to do of one cell of a grid."""
    try:
        if (summary := finished(cfg, folder)) is not None:
            print(already(folder, summary))
            return summary
        with pace.job(HydraConfig.get().job.num, Grid.jobs):
            return train_job(cfg, choices, folder)
    except Refusal as refusal:
        line = " ".join(str(refusal).split())
        note_refusal(folder, advise(line, [conf_dir()], [], []))
        raise


def outcome(jobs: Sequence[Job]) -> bool | None:
    """What became of them; for a grid also the table of its jobs, and which of them failed.

    Returns:
        None: all finished; True: some failed; False: those that did not finish were refused.

    Raises:
        Refusal, RunFailed: what ended a single run.
    """
    if Grid.folder is not None:
        from vaebench.commands.grid import report

        return report(Grid.folder, Grid.jobs)
    if jobs and jobs[0].error is not None:
        raise jobs[0].error
    return None


def train_job(cfg: DictConfig, choices: dict[str, str], folder: Path) -> dict[str, Any]:
    """Begins a run, or goes on with it."""
    try:
        check_early(cfg)
        print("composing", *leading(choices), flush=True)
        make_codes(cfg)
        with importing():
            from vaebench.commands.train import train
            from vaebench.training.checkpoints import newest_good

        checkpoint, complaints = newest_good(folder)  # of a grid that was stopped
        for line in complaints:
            print(line)
        return train(cfg, choices, folder, checkpoint)
    except (Refusal, KeyboardInterrupt):
        Made.take_back(folder)
        raise


def check_early(cfg: DictConfig) -> None:
    """Refuses what can be refused before torch is imported, which takes seconds."""
    with resolving():
        check_keys(cfg)
        check_ranges(cfg)


def check_job(cfg: DictConfig, choices: dict[str, str], folder: Path) -> None:
    """Composes and dry-runs a choice, and writes nothing but what its data set lacks."""
    check_early(cfg)
    make_codes(cfg)
    with importing():
        from vaebench.commands.check import check

    check(cfg, choices)
