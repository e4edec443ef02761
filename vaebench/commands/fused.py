"""`hydra/launcher=fused`: jobs of a grid that differ in numbers alone train as one vectorised model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from vaebench.commands.importing import importing
from vaebench.config.alike import apart, plan
from vaebench.errors import Refusal
from vaebench.progress import doing
from vaebench.runs.layout import SUMMARY

AUTO = "auto"
NAME = "hydra_plugins.vaebench.FusedLauncher"
"""Hydra takes a launcher by a name in the package of plugins alone."""


def register() -> None:
    """Makes the launcher known to Hydra."""
    Plugins.instance().class_name_to_class[NAME] = FusedLauncher


class FusedLauncher(Launcher):
    """Launches the jobs of a grid, those together that may share their steps.

    Args:
        width: jobs that train together at most, or `auto`: as many as memory holds.
        compile: whether their common steps are compiled, or `auto`: where that pays.
        n_jobs: processes, of which each has stacks of its own.
    """

    def __init__(self, width: int | str, compile: bool | str, n_jobs: int) -> None:
        self.width, self.compile, self.n_jobs = width, compile, n_jobs

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        assert self.config is not None
        self._check()
        setup_globals()
        Path(str(self.config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        numbered = enumerate(job_overrides, initial_job_idx)
        groups = planned([self._composed(words, number) for number, words in numbered])
        if self.n_jobs != 1:
            from joblib import effective_n_jobs

            groups = dealt(groups, effective_n_jobs(self.n_jobs))
        returns = [done for group in self._launched(groups) for done in group]
        return sorted(returns, key=number_of)

    def _check(self) -> None:
        """Refuses values that mean nothing.

        Raises:
            Refusal: naming the option.
        """
        if self.width != AUTO and not (isinstance(self.width, int) and self.width >= 1):
            raise Refusal(f"hydra.launcher.width={self.width}: must be at least 1, or auto")
        if self.compile not in (AUTO, True, False):
            raise Refusal(f"hydra.launcher.compile={self.compile}: must be true, false or auto")

    def _composed(self, words: Sequence[str], number: int) -> DictConfig:
        assert self.hydra_context is not None
        config = self.hydra_context.config_loader.load_sweep_config(self.config, list(words))
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
        return config

    def _launched(self, groups: Sequence[Sequence[DictConfig]]) -> Sequence[list[JobReturn]]:
        assert self.hydra_context is not None
        assert self.task_function is not None
        job = partial(run_one, self.hydra_context, self.task_function)
        calls = [partial(run_group, job, group, self.width, self.compile) for group in groups]
        if self.n_jobs == 1:
            return [call() for call in calls]
        from joblib import Parallel, delayed

        state = Singleton.get_state()
        found: Any = Parallel(self.n_jobs)(delayed(in_a_worker)(call, state) for call in calls)
        return found


def number_of(done: JobReturn) -> int:
    """Of a job, in its grid."""
    config: Any = done.hydra_cfg
    return int(config.hydra.job.num)


def run_one(context: HydraContext, task: TaskFunction, config: DictConfig) -> JobReturn:
    """A job, as Hydra runs it."""
    place = {"job_dir_key": "hydra.sweep.dir", "job_subdir_key": "hydra.sweep.subdir"}
    return run_job(task, config, **place, hydra_context=context)  # type: ignore[arg-type]


def run_group(
    job: Any, configs: Sequence[DictConfig], width: int | str, compiles: bool | str
) -> list[JobReturn]:
    """Jobs that may train together."""
    works = [partial(job, config) for config in configs]
    if len(works) == 1 or width == 1:
        return [work() for work in works]
    with importing():
        from rich.console import Console

        from vaebench.commands.heartbeat import Heartbeat
        from vaebench.training.fused.group import Group

    # A line now and then: a live one would be drawn over the jobs' own.
    console = Console(file=sys.stdout, force_terminal=False)
    with Heartbeat(console), doing(f"{len(works)} jobs"):
        return Group(works, width, compiles, say).run()


def in_a_worker(call: Any, state: dict[Any, Any]) -> list[JobReturn]:
    """A group in another process, which is to know what this one knows of Hydra."""
    setup_globals()
    Singleton.set_state(state)
    found: list[JobReturn] = call()
    return found


def planned(configs: Sequence[DictConfig]) -> list[list[DictConfig]]:
    """Who may train with whom, which is said; those that are finished already come first."""
    over = [config for config in configs if (folder_of(config) / SUMMARY).exists()]
    rest = [config for config in configs if config not in over]
    groups = [[rest[number] for number in group] for group in plan(rest)]
    for group in groups:
        numbers = ", ".join(str(config.hydra.job.num) for config in group)
        if len(group) > 1:
            say(f"jobs {numbers} differ in numbers alone, and may train together")
        elif len(rest) > 1:
            say(f"job {numbers} trains alone: {apart(group[0]) or 'no other is of its parts'}")
    return [*([config] for config in over), *groups]


def dealt(groups: Sequence[list[DictConfig]], processes: int) -> list[list[DictConfig]]:
    """The same jobs in a group at least for each process, the largest halved, of two jobs or more."""
    found = list(groups)
    while len(found) < processes and len(largest := max(found, key=len)) >= 4:
        at, middle = found.index(largest), len(largest) // 2
        found[at : at + 1] = [largest[:middle], largest[middle:]]
    return found


def folder_of(config: DictConfig) -> Path:
    """Of a job's run."""
    hydra: Any = HydraConfig.instance()
    before, hydra.cfg = hydra.cfg, config  # it may be named after the choices
    folder = Path(str(config.hydra.sweep.dir), str(config.hydra.sweep.subdir))
    hydra.cfg = before
    return folder


def say(line: str) -> None:
    """To whoever reads what the grid prints."""
    print(f"fused: {line}", flush=True)
