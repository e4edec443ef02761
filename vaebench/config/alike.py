"""Which jobs of a grid may be one vectorised model, as far as their configs tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

OWN = ("seed", "name")
"""What each job may have of its own."""

EQUAL = ("trainer", "nets", "callbacks", "checkpoint", "eval", "suggested", "k", "data_dir")
"""Groups and options of which even the numbers decide on shapes, on the data or on the course of a run."""


def plan(jobs: Sequence[DictConfig]) -> list[list[int]]:
    """The numbers of jobs that may train together, in the order of the first of each.

    Jobs that read what others of the grid leave come after all of these.
    """
    found: dict[str, list[int]] = {}
    for number, config in enumerate(jobs):
        found.setdefault(key(config) or f"job {number}", []).append(number)
    return sorted(found.values(), key=lambda group: _reads_others(jobs[group[0]]))


def key(config: DictConfig) -> str:
    """Equal for jobs that may train together; empty for one that trains alone whatever there is."""
    return "" if apart(config) else repr(_masked(_resolved(config)))


def apart(config: DictConfig) -> str:
    """Why a job trains alone; empty where nothing speaks against company."""
    if config.trainer.compile:
        return "trainer.compile=true compiles each job's own loss"
    if config.trainer.devices > 1:
        return f"trainer.devices={config.trainer.devices} has processes of its own"
    if config.trainer.detect_anomaly:
        return "trainer.detect_anomaly=true looks into its own steps"
    if config.hydra.job.chdir:
        return "hydra.job.chdir=true has a folder of its own"
    return ""


def _resolved(config: DictConfig) -> dict[str, Any]:
    hydra: Any = HydraConfig.instance()
    before, hydra.cfg = hydra.cfg, config  # some options are named after the choices
    plain = config.copy()
    with open_dict(plain):
        del plain["hydra"]
    found: Any = OmegaConf.to_container(plain, resolve=True, enum_to_str=True)
    hydra.cfg = before
    return {name: value for name, value in found.items() if name not in OWN}


def _masked(config: dict[str, Any]) -> Iterable[Any]:
    return [(n, v if n in EQUAL else _without_numbers(v)) for n, v in sorted(config.items())]


def _without_numbers(value: Any) -> Any:
    """The same with all numbers alike, but for those of a list: widths, mostly."""
    if isinstance(value, dict):
        return {name: _without_numbers(one) for name, one in value.items()}
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else value


def _reads_others(config: DictConfig) -> bool:
    folder = str(Path(str(config.hydra.sweep.dir)))
    return folder in repr(_resolved(config))
