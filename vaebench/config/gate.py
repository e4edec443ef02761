"""A Hydra callback that refuses wrong options of a grid before any of its jobs runs."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict, read_write

from vaebench.config.parts import Words, cells
from vaebench.errors import Refusal
from vaebench.runs.layout import HYDRA, holds_run
from vaebench.suggest import override, use

if TYPE_CHECKING:
    from hydra.conf import HydraConf

    from vaebench.runs.grid import Cell

SLUG = 60
"""Letters of a grid's own folder that tell what it is."""


class Stop(BaseException):
    """Carries an error out of a callback: Hydra turns every `Exception` there into a warning."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class NothingLeft(Exception):
    """All jobs of a grid are finished: there is nothing to launch."""


class Gate(Callback):
    """Refuses a folder that holds a run; for a grid, composes and checks every job's options."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        HydraConfig.instance().set_config(config)  # the folder is named after the choices
        Grid.folder, Grid.jobs = None, []
        folder = Path(config.hydra.run.dir)
        if config.hydra.output_subdir is not None and holds_run(folder):
            instead = use(override("hydra.run.dir", free(folder)))
            raise Stop(Refusal(f"{folder} holds a run already.{instead}"))
        Made.note(folder)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        HydraConfig.instance().set_config(config)
        grid = config.hydra.sweeper._target_.endswith("BasicSweeper")
        try:
            place(config, again=grid)
            shorten(config)
            Grid.folder, Grid.jobs = Path(config.hydra.sweep.dir).absolute(), []
            Made.note(Grid.folder)
            if grid:  # a search decides on its jobs as it goes
                begin(config)
        except Exception as error:
            raise Stop(error) from error

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        if config.hydra.launcher.get("n_jobs", 1) != 1:
            # Idle workers would hold up the end of the program by seconds.
            from joblib.externals.loky import get_reusable_executor

            get_reusable_executor().shutdown(kill_workers=True)


class Grid:
    """The grid that this process runs.

    Attributes:
        folder: of all its jobs; None for a single run.
        jobs: empty where a search decides on them.
    """

    folder: ClassVar[Path | None] = None
    jobs: ClassVar[list[Cell]] = []


def begin(config: DictConfig) -> None:
    """Composes and checks the jobs of a grid, but for those that are known to be finished.

    Raises:
        NothingLeft: all of them are.
        Refusal: a job's options are wrong, or its folder holds a run of others.
    """
    from vaebench.config.record import remember, remembered, result
    from vaebench.runs.grid import already

    done = {cell.words: (cell, s) for cell in remembered(config) if (s := result(cell)) is not None}
    jobs = cells(config)
    if all(words in done for words in jobs):
        Grid.jobs = [done[words][0] for words in jobs]
        for cell, summary in done.values():
            sys.stdout.write(f"{cell.name}: {already(cell.folder, summary)}\n")
        raise NothingLeft
    known = {words: cell for words, (cell, _) in done.items()}
    Grid.jobs = [
        known.get(words) or check_job(config, number, words) for number, words in enumerate(jobs)
    ]
    HydraConfig.instance().cfg = None
    remember(config, Grid.jobs)


def shorten(config: DictConfig) -> None:
    """Has Hydra name jobs by what differs between them alone."""
    words = OverridesParser.create().parse_overrides(list(config.hydra.overrides.task))
    same = [w.key_or_group for w in words if not w.is_sweep_override()]
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.overrides.hydra.append(
            f"hydra.job.config.override_dirname.exclude_keys=[{','.join(same)}]"
        )


def place(config: DictConfig, *, again: bool) -> None:
    """A folder below `hydra.sweep.dir` for this grid, unless the user names one.

    Args:
        again: whether the same command is to find the same folder, and what it holds, again.
    """
    words = list(config.hydra.overrides.task)
    if any(word.startswith("hydra.sweep.dir=") for word in config.hydra.overrides.hydra):
        return
    slug = re.sub(r"[^\w.]+", "-", "_".join(words)).strip("-")[:SLUG] or "grid"
    told = "\n".join([*words, *map(str, config.hydra.searchpath)])
    mark = (
        hashlib.sha256(told.encode()).hexdigest()[:6] if again else f"{datetime.now():%m%d-%H%M%S}"
    )
    folder = f"{config.hydra.sweep.dir}/{slug}-{mark}"
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.sweep.dir = folder
        config.hydra.overrides.hydra.append(f"hydra.sweep.dir={folder}")  # for each job's config


class Made:
    """The outermost folder that this process is about to make, to be taken back if it stays empty."""

    outermost: Path | None = None

    @classmethod
    def note(cls, folder: Path) -> None:
        """Called before Hydra makes the folder."""
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        cls.outermost = missing[-1] if missing else None

    @classmethod
    def take_back(cls, folder: Path) -> None:
        """Removes what Hydra wrote for a run that never began, and nothing that was there before."""
        shutil.rmtree(folder / HYDRA, ignore_errors=True)
        path = folder
        while cls.outermost is not None and cls.outermost.absolute() in (path, *path.parents):
            if any(path.iterdir()):
                return
            path.rmdir()
            path = path.parent


def free(folder: Path) -> str:
    """A folder beside this one that is not there yet."""
    beside = (f"{folder.resolve()}-{i}" for i in count(2))
    return os.path.relpath(next(path for path in beside if not os.path.exists(path)))


def check_job(config: DictConfig, number: int, words: Words) -> Cell:
    """One job of a grid, composed and checked."""
    from vaebench.config.record import digest
    from vaebench.config.schema import check_keys, check_ranges
    from vaebench.config.signatures import check_options
    from vaebench.runs.grid import Cell, finished
    from vaebench.runs.write import config_of

    cfg = GlobalHydra.instance().config_loader().load_sweep_config(config, list(words))
    with read_write(cfg.hydra), open_dict(cfg.hydra):
        cfg.hydra.job.num = number
    HydraConfig.instance().set_config(cfg)  # some options are named after the choices
    folder = Path(config.hydra.sweep.dir, str(cfg.hydra.sweep.subdir)).absolute()
    name = job_name(cfg.hydra)
    with open_dict(cfg):
        del cfg["hydra"]
    check_keys(cfg)
    check_ranges(cfg)
    check_options(cfg)
    finished(cfg, folder)
    return Cell(name, folder, words, digest(config_of(cfg)))


def job_name(hydra: HydraConf) -> str:
    """A cell of a grid, for people."""
    return f"job {hydra.job.num} ({hydra.job.override_dirname})"
