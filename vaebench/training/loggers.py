"""Where a run's history goes: metrics.csv, and Weights & Biases with or without an account."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pytorch_lightning.loggers import Logger, WandbLogger
from pytorch_lightning.utilities import rank_zero_only

METRICS = "metrics.csv"


class History(Logger):
    """metrics.csv: one row a step, column `step` first; a metric that appears late gets its column.

    Args:
        folder: the run folder.
        name: of the run.
    """

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__()
        self.path, self._name = folder / METRICS, name
        self.columns = ["step"]
        self.row: dict[str, Any] = {}

    @property
    def name(self) -> str:
        return self._name

    @property
    def version(self) -> str:
        return self.path.parent.name

    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """The config has a file of its own."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if self.row and self.row["step"] != step:
            self.save()
        self.row |= {"step": step} | {n: v for n, v in metrics.items() if n != "epoch"}

    @rank_zero_only
    def save(self) -> None:
        """Write the row at hand."""
        if not self.row:
            return
        new = [name for name in self.row if name not in self.columns]
        if new or not self.path.exists():
            self._rewrite([*self.columns, *new])
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, self.columns).writerow(self.row)
        self.row = {}

    @rank_zero_only
    def finalize(self, status: str) -> None:
        self.save()

    def _rewrite(self, columns: list[str]) -> None:
        rows = read_history(self.path) if self.path.exists() else []
        self.columns = columns
        part = self.path.with_suffix(".part")
        with part.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
        part.replace(self.path)


def read_history(path: Path) -> list[dict[str, str]]:
    """Rows of a metrics.csv."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


class Wandb(WandbLogger):
    """Weights & Biases that never asks: offline wherever there is no account.

    Args:
        folder: the run folder; the offline run lies in its `wandb/`.
        name: of the run.
        project: name of the project.
        mode: `auto`: online with an account, else offline; WANDB_MODE decides if set.
    """

    def __init__(
        self, folder: Path, name: str, *, project: str, mode: Literal["auto", "online", "offline"]
    ) -> None:
        import wandb

        if mode == "auto":
            chosen = os.environ.get("WANDB_MODE") or _mode_by_account()
        else:
            chosen = mode
        settings = wandb.Settings(
            silent=True, console="off", disable_git=True, save_code=False, x_disable_stats=True
        )
        super().__init__(
            project=project, name=name, save_dir=str(folder), mode=chosen, settings=settings
        )

    @rank_zero_only
    def finish(self) -> None:
        """After the last picture; without it the next job of a sweep would write into this run."""
        import wandb

        wandb.finish()


def _mode_by_account() -> str:
    import wandb

    return "online" if wandb.login(prompt=False, verify=False) else "offline"
