"""Lightning's trainer, with the callbacks of a run."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from rich.console import Console

from vaebench.composition import instantiate
from vaebench.config.schema import OnNan
from vaebench.errors import Refusal
from vaebench.training.fused.strand import MINE
from vaebench.training.keeper import Best, Keeper
from vaebench.training.learning_rate import LearningRate
from vaebench.training.log import Log
from vaebench.training.progress import Bar
from vaebench.training.rejected import lacking
from vaebench.training.system import System
from vaebench.training.watch import Averaging, Collapse, Guard


def build_trainer(cfg: DictConfig, system: System, folder: Path, console: Console) -> pl.Trainer:
    """Lightning's trainer with our checkpoints and bar, and no logger yet.

    Where several processes train, it is built inside `processes.rank_zero`.

    Raises:
        Refusal: where the machine lacks the accelerator.
    """
    return _trainer(
        "trainer.accelerator",
        cfg.trainer.accelerator.value,
        strategy="ddp" if cfg.trainer.devices > 1 else "auto",
        devices=cfg.trainer.devices,
        use_distributed_sampler=False,  # the loader knows its rank
        max_epochs=cfg.trainer.max_epochs,
        max_steps=cfg.trainer.max_steps,
        callbacks=callbacks(cfg, system, folder, console),
        detect_anomaly=cfg.trainer.detect_anomaly,
        default_root_dir=folder,
        num_sanity_val_steps=0,
        inference_mode=False,  # refined samples follow a gradient in evaluation too
    )


def _trainer(option: str, accelerator: str, **options: Any) -> pl.Trainer:
    quiet()
    try:
        return pl.Trainer(
            accelerator=accelerator,
            plugins=[LightningEnvironment()],  # whatever cluster this may be a job of
            logger=False,
            enable_checkpointing=False,  # ours are atomic
            enable_progress_bar=False,
            enable_model_summary=False,
            **options,
        )
    except MisconfigurationException as error:
        line = f"{option}={accelerator}: {lacking(error)}. Use {option}=auto."
        raise Refusal(line) from error


def callbacks(cfg: DictConfig, system: System, folder: Path, console: Console) -> list[pl.Callback]:
    """In this order: a checkpoint holds what the others did at its step."""
    monitor, mode = system.monitor
    strand = None if cfg.trainer.on_nan is OnNan.rollback else MINE.get()
    best = Best(folder, monitor, mode, waits=strand is not None)
    chosen: list[pl.Callback] = [
        Guard(cfg.trainer.on_nan, folder),
        Averaging(),
        Log(cfg.trainer.log_every),
        LearningRate(instantiate(cfg.schedule), monitor, mode),
        Collapse(console),
        Bar(console),
        *own_callbacks(cfg),
        best,
        Keeper(folder, cfg.checkpoint.every, best, strand.spared if strand else never),
    ]
    if cfg.trainer.patience:
        # After validation rather than at the epoch's end, whose checkpoint must know of it.
        when = {"check_on_train_epoch_end": False, "check_finite": False}
        chosen.append(EarlyStopping(monitor, mode=mode, patience=cfg.trainer.patience, **when))
    return chosen


def own_callbacks(cfg: DictConfig) -> list[pl.Callback]:
    """Those of the `callbacks` group: one, or several by name.

    Raises:
        Refusal: what is no Lightning callback.
    """
    several = {"": cfg.callbacks} if "_target_" in cfg.callbacks else cfg.callbacks
    found = []
    for name, node in several.items():
        path = f"callbacks.{name}".rstrip(".")
        if not isinstance(node, DictConfig) or "_target_" not in node:
            raise Refusal(f"{path} names no class: {path}._target_ is to say which")
        found.append(instantiate(node))
        if not isinstance(found[-1], pl.Callback):
            raise Refusal(f"{path}: {node._target_} is no pytorch_lightning.Callback")
    return found


def quiet() -> None:
    """Lightning's advice about data loaders does not apply to tensors that live on the device."""
    for name in ("pytorch_lightning", "lightning_fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", module="lightning_fabric")


def never() -> bool:
    """No."""
    return False
