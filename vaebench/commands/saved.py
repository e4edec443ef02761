"""What a run folder says about its run."""

from __future__ import annotations

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import setup_globals
from omegaconf import DictConfig, OmegaConf

from vaebench.schema import Config


def load_config(folder: Path) -> tuple[DictConfig, dict[str, str]]:
    """The composed config of a run and its choices, as the run saw them."""
    setup_globals()  # the resolvers that a config may use outside a Hydra run too
    HydraConfig.instance().cfg = OmegaConf.load(folder / ".hydra" / "hydra.yaml")
    saved = OmegaConf.load(folder / ".hydra" / "config.yaml")
    cfg = OmegaConf.merge(OmegaConf.structured(Config), saved)
    choices = HydraConfig.instance().cfg.hydra.runtime.choices
    return cfg, {group: choice for group, choice in choices.items() if "/" not in group}
