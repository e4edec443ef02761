"""A Hydra callback that refuses wrong options of a grid before any of its jobs runs."""

from __future__ import annotations

from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict


class Stop(BaseException):
    """Carries an error out of a callback: Hydra turns every `Exception` there into a warning."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Gate(Callback):
    """Composes and checks the options of every job first."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        if not config.hydra.sweeper._target_.endswith("BasicSweeper"):
            return  # a search decides on its jobs as it goes
        try:
            check_grid(config)
        except Exception as error:
            raise Stop(error) from error


def check_grid(config: DictConfig) -> None:
    """Refuses a grid in which any job's options are wrong."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    from vaebench.schema import check_ranges
    from vaebench.validate import check_options

    loader = GlobalHydra.instance().config_loader()
    params = config.hydra.sweeper.params or {}
    given = [*(f"{k}={v}" for k, v in params.items()), *config.hydra.overrides.task]
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(list(given))
    for batch in BasicSweeper.split_arguments(parsed, max_batch_size=None):
        for job in batch:
            cfg = loader.load_sweep_config(config, list(job))
            HydraConfig.instance().set_config(cfg)  # some options are named after the choices
            with open_dict(cfg):
                del cfg["hydra"]
            check_ranges(cfg)
            check_options(cfg)
    HydraConfig.instance().cfg = None
