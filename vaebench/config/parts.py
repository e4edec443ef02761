"""Grids that are no product: several parts, each a grid of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

NAME = "hydra_plugins.vaebench.PartsBasicSweeper"
"""Hydra takes a sweeper by a name in the package of plugins alone."""

OF_A_JOB = "%{"
"""Begins what refers to a job's own options in a part: Hydra resolves `${…}` before there are jobs."""

Words = tuple[str, ...]
"""The overrides of one job."""


def register() -> None:
    """Makes the sweeper known to Hydra."""
    Plugins.instance().class_name_to_class[NAME] = PartsBasicSweeper


def cells(config: DictConfig) -> list[Words]:
    """The jobs of a grid, each once.

    What the command line sweeps or sets replaces what the experiment does, in each of its parts.
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper  # Hydra imports it anew

    sweeper = config.hydra.sweeper
    params = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    found: list[Words] = []
    for part in sweeper.get("parts") or [""]:
        own = part.replace(OF_A_JOB, "${").split()
        words = [*params, *own, *config.hydra.overrides.task]
        (jobs,) = BasicSweeper.split_arguments(parser.parse_overrides(words), max_batch_size=None)
        found += map(tuple, jobs)
    return list(dict.fromkeys(found))


class PartsBasicSweeper(Sweeper):
    """Launches the jobs of a union of grids, as Hydra's own sweeper those of one.

    Args:
        params: overrides that all parts share, by option; the values may be several.
        parts: a line of further overrides for each part, in which `%{…}` is a job's own `${…}`. Jobs run
            in this order: one may be of what an earlier one leaves in `%{hydra:sweep.dir}`.
    """

    def __init__(self, params: dict[str, str] | None, parts: Sequence[str]) -> None:
        super().__init__()
        self.params, self.parts = params, parts

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        assert self.config is not None
        assert self.launcher is not None
        Path(self.config.hydra.sweep.dir).mkdir(parents=True, exist_ok=True)
        batch = [list(words) for words in cells(self.config)]
        self.validate_batch_is_legal(batch)
        returns: Sequence[JobReturn] = self.launcher.launch(batch, initial_job_idx=0)
        for done in returns:
            _ = done.return_value  # raises what ended the job
        return [returns]
