"""A Hydra callback that refuses wrong options before a folder is made or a job of a sweep runs."""

from __future__ import annotations

from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from vaebench.schema import check_ranges


class Gate(Callback):
    """Checks one run's options, or those of all jobs of a grid."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        check_ranges(config)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

        if not config.hydra.sweeper._target_.endswith("BasicSweeper"):
            return  # a search decides on its jobs as it goes
        from vaebench.validate import check_options

        loader = GlobalHydra.instance().config_loader()
        params = config.hydra.sweeper.params or {}
        given = [*(f"{k}={v}" for k, v in params.items()), *config.hydra.overrides.task]
        parsed = OverridesParser.create(config_loader=loader).parse_overrides(list(given))
        for batch in BasicSweeper.split_arguments(parsed, max_batch_size=None):
            for job in batch:
                cfg = loader.load_sweep_config(config, list(job))
                check_ranges(cfg)
                check_options(cfg)
