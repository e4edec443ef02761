"""`vaebench resume RUN`: continues a stopped run in its own folder."""

from __future__ import annotations

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import setup_globals
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from vaebench.commands.train import train
from vaebench.errors import Refusal
from vaebench.schema import Config
from vaebench.training.checkpoints import newest_good, run_folder, step_of


def resume(path: str) -> None:
    """Continues from the newest good checkpoint; from the start where there is none.

    Raises:
        Refusal: where there is nothing to continue.
    """
    folder = run_folder(path)
    if (folder / "summary.json").exists():
        raise Refusal(f"{path} is finished: nothing to resume")
    cfg, choices = load_config(folder)
    checkpoint, complaints = newest_good(folder)
    console = Console()
    for line in complaints:
        console.print(line, highlight=False, soft_wrap=True)
    step = 0 if checkpoint is None else step_of(checkpoint)
    console.print(f"resuming {path} at step {step}", highlight=False)
    train(cfg, choices, folder, checkpoint)


def load_config(folder: Path) -> tuple[DictConfig, dict[str, str]]:
    """The composed config of a run and its choices, as the run saw them."""
    setup_globals()  # the resolvers that a config may use outside a Hydra run too
    HydraConfig.instance().cfg = OmegaConf.load(folder / ".hydra" / "hydra.yaml")
    saved = OmegaConf.load(folder / ".hydra" / "config.yaml")
    cfg = OmegaConf.merge(OmegaConf.structured(Config), saved)
    choices = HydraConfig.instance().cfg.hydra.runtime.choices
    return cfg, {group: choice for group, choice in choices.items() if "/" not in group}
