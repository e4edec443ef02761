"""Where a run's history goes: metrics.csv, and Weights & Biases with or without an account."""

from __future__ import annotations

import contextlib
import os
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from vaebench.errors import Refusal, RunFailed
from vaebench.pictures.sentences import TABLE, read_table
from vaebench.runs.clock import ClockFile
from vaebench.runs.history import HistoryFile
from vaebench.runs.layout import CLOCK, HISTORY, TENSORBOARD, WANDB_ID
from vaebench.runs.tables import markdown
from vaebench.training.account import mode_by_account
from vaebench.training.beside import Beside
from vaebench.training.fused.strand import MINE


@dataclass(frozen=True)
class Identity:
    """What a run is called among others.

    Attributes:
        name: of a cell of a grid, what differs in it.
        group: the grid; empty for a run on its own.
        tags: what was chosen.
    """

    name: str
    group: str = ""
    tags: tuple[str, ...] = ()


class History(Logger):
    """metrics.csv for Lightning, and clock.csv beside it.

    Args:
        folder: the run folder.
        identity: what the run is called.
    """

    def __init__(self, folder: Path, identity: Identity) -> None:
        super().__init__()
        self.file, self._name = HistoryFile(folder / HISTORY), identity.name
        self.clock = ClockFile(folder / CLOCK)

    @property
    def name(self) -> str:
        return self._name

    @property
    def version(self) -> str:
        return self.file.path.parent.name

    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """The config has a file of its own."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.file.add({n: value for n, value in metrics.items() if n != "epoch"}, step)
        self.clock.tick(step or 0)

    def rewind(self, step: int) -> None:
        """Forget what came after a step."""
        self.file.rewind(step)
        self.clock.rewind(step)


class RunLogger(ABC):
    """A logger that wants a run's summary at its end."""

    @abstractmethod
    def conclude(self, summary: dict[str, Any]) -> None:
        """What summary.json holds."""

    @abstractmethod
    def evaluated(self, numbers: dict[str, float], step: int) -> None:
        """What `vaebench evaluate` measured of the weights after a step."""

    @abstractmethod
    def show(self, pictures: Sequence[Path]) -> None:
        """Pictures in the run folder."""

    @abstractmethod
    def finish(self) -> None:
        """After the last word; without it the next job of a sweep would write into this run."""


SETTINGS = {
    "silent": True,
    "console": "off",
    "disable_git": True,
    "save_code": False,
    "x_disable_stats": True,
    "init_timeout": 20,
}
"""Of every wandb run: no word of its own, no look at anything but what it is told."""


BESIDE_OTHERS = {"reinit": "create_new"}
"""Of the runs of several jobs that go on at once in one process, none of which is wandb's only one."""


class Wandb(WandbLogger, RunLogger):
    """Weights & Biases that never asks: offline wherever there is no account.

    It starts beside the first steps of training, which it is told of once it has started; where it
    cannot, the run fails at the next word to it.

    Args:
        folder: the run folder; the offline run lies in its `wandb/`.
        identity: what the run is called.
        project: name of the project.
        mode: `auto`: online with an account, else offline; WANDB_MODE decides if set.
    """

    def __init__(
        self,
        folder: Path,
        identity: Identity,
        *,
        project: str,
        mode: Literal["auto", "online", "offline"],
    ) -> None:
        os.environ.setdefault("WANDB_SILENT", "true")
        self.id_file = folder / WANDB_ID
        known = self.id_file.read_text() if self.id_file.exists() else None
        # An agent of a wandb sweep has named the run already.
        run_id = known or os.environ.get("WANDB_RUN_ID") or uuid.uuid4().hex[:8]
        called: dict[str, Any] = {"name": identity.name, "tags": list(identity.tags)}
        called |= {"project": project, "group": identity.group or None, "id": run_id}
        self.beside = MINE.get() is not None
        settings = SETTINGS | (BESIDE_OTHERS if self.beside else {})
        super().__init__(**called, save_dir=folder, settings=settings, resume="allow")
        self._wandb_init.pop("anonymous", None)  # an option of the past that wandb warns of
        self.mode = mode
        self.contact = Beside(self._contact)
        if mode == "online":  # refused, before anything is trained
            self._wait(Refusal)

    def _contact(self) -> None:
        """Starts wandb, which takes a second, offline where nobody asked for more."""
        chosen: str = self.mode
        if self.mode == "auto":
            chosen = os.environ.get("WANDB_MODE") or mode_by_account()
        self._wandb_init["mode"] = chosen
        try:
            _ = super().experiment
        except Exception:
            if self.mode != "auto" or chosen != "online":
                raise
            self._wandb_init["mode"] = "offline"  # an account, but no network
            _ = super().experiment

    def _wait(self, kind: type[Exception] = RunFailed) -> None:
        """Until wandb has started, and knows whatever it was told meanwhile."""
        try:
            self.contact.started()
        except Exception as error:
            reason = " ".join(str(error).split())
            raise kind(f"logger=wandb cannot start ({reason}); try logger=csv") from error
        self.contact.catch_up()

    @property
    def experiment(self) -> Any:
        """wandb's run; None before it has started: Lightning asks for it before it trains."""
        return self._experiment

    def started(self) -> Any:
        """wandb's run, which knows by now whatever it was told."""
        self._wait()
        return self._experiment

    def _tell(self, call: Callable[[], None]) -> None:
        """At once, or as soon as wandb has started, in the order of the calls."""
        self.contact.waiting.append(call)
        if self.contact.is_over():
            self._wait()

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._tell(partial(super().log_metrics, dict(metrics), step))

    @rank_zero_only
    def log_hyperparams(self, params: Any) -> None:
        """The config; and, for whoever resumes it, the run's id."""
        self.id_file.parent.mkdir(exist_ok=True)
        self.id_file.write_text(self._wandb_init["id"])
        self._tell(partial(super().log_hyperparams, params))

    @rank_zero_only
    def conclude(self, summary: dict[str, Any]) -> None:
        about = {n: v for n, v in summary.items() if not n.startswith(("config.", "versions."))}
        self.started().summary.update(about)

    @rank_zero_only
    def evaluated(self, numbers: dict[str, float], step: int) -> None:
        self.started().summary.update(numbers)

    @rank_zero_only
    def show(self, pictures: Sequence[Path]) -> None:
        import wandb

        run = self.started()
        for path in pictures:
            if path.suffix == ".gif":
                run.log({f"pictures/{path.stem}_gif": wandb.Video(str(path))})
            elif path.suffix == TABLE:
                head, rows = read_table(path)
                run.log({path.stem: wandb.Table(columns=[*head], data=rows)})
            else:
                self.log_image(f"pictures/{path.stem}", [str(path)])

    @property
    def offline_run(self) -> Path | None:
        """Where the run waits to be uploaded; None where it was."""
        folder = Path(self.started().dir).parent
        return folder if self._wandb_init["mode"] == "offline" else None

    @rank_zero_only
    def finish(self) -> None:
        import wandb

        try:
            self._wait()  # a run that ends early has not told all yet
        finally:
            (self._experiment if self.beside and self._experiment else wandb).finish()


class TensorBoard(TensorBoardLogger, RunLogger):
    """TensorBoard event files in the run folder's `tensorboard/`, with its HParams page.

    Args:
        folder: the run folder.
        identity: what the run is called.

    Raises:
        Refusal: where the extra is not installed.
    """

    def __init__(self, folder: Path, identity: Identity) -> None:
        try:
            super().__init__(str(folder), name=TENSORBOARD, version="", default_hp_metric=False)
        except ModuleNotFoundError as error:
            raise Refusal(
                "logger=tensorboard needs its extra: pip install 'vaebench[tensorboard]'. "
                "Use logger=csv."
            ) from error

    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """They come at the end, with the results that HParams shows beside them."""

    @rank_zero_only
    def conclude(self, summary: dict[str, Any]) -> None:
        options = {n: v for n, v in summary.items() if n.startswith(("config.", "choices."))}
        results = {n: v for n, v in summary.items() if n.startswith(("test/", "val/"))}
        super().log_hyperparams(options, results)

    @rank_zero_only
    def evaluated(self, numbers: dict[str, float], step: int) -> None:
        self.log_metrics(numbers, step)

    @rank_zero_only
    def show(self, pictures: Sequence[Path]) -> None:
        import numpy as np
        from PIL import Image

        for path in pictures:
            if path.suffix == TABLE:
                self.experiment.add_text(path.stem, markdown(*read_table(path)))
            elif path.suffix == ".png":  # its page of images shows no animations
                with Image.open(path) as image:
                    array = np.asarray(image.convert("RGB"))
                self.experiment.add_image(f"pictures/{path.stem}", array, dataformats="HWC")

    @rank_zero_only
    def finish(self) -> None:
        self.finalize("success")


def close(loggers: list[Any]) -> None:
    """Without it the next job of a sweep would write into this one's wandb run."""
    for logger in loggers:
        if isinstance(logger, RunLogger):
            with contextlib.suppress(Exception):  # a full disk: the run's own error says more
                logger.finish()
