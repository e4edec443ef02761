"""One run: train, keep the best weights, test them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as pl
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from pytorch_lightning.loggers import Logger
from rich.console import Console

from vaebench.composition import Composition, compose, instantiate
from vaebench.config.groups import COMPOSED
from vaebench.data.seeds import RANK, derived
from vaebench.training.keeper import save
from vaebench.training.loggers import Identity
from vaebench.training.machine import device_name, keep_memory, peak_memory
from vaebench.training.ready import check_precision, check_run, fit_out, optimizer_of, rehearse
from vaebench.training.system import System
from vaebench.training.testing import Tested, measured
from vaebench.training.trainer import build_trainer


@dataclass(frozen=True)
class Result:
    """A finished run.

    Attributes:
        system: with the evaluated weights.
        metrics: those of training and validation when the weights were taken, and of the test.
        tested: what the test says beside them.
        seconds: of training, validation included.
        device: where it ran.
        peak_memory_mb: of the process so far (CPU), or of this run in the GPU's allocator.
    """

    system: System
    metrics: dict[str, float]
    tested: Tested
    seconds: float
    device: str
    peak_memory_mb: float


def build_loggers(cfg: DictConfig, folder: Path) -> list[Logger]:
    """The loggers of the `logger` group, for one run folder."""
    return [instantiate(node)(folder, identity(cfg)) for node in cfg.logger.values()]


def identity(cfg: DictConfig) -> Identity:
    """A run's name and tags; in a grid, what differs in it and which grid it is."""
    if not HydraConfig.initialized():
        return Identity(cfg.name)
    hydra = HydraConfig.get()
    chosen = {group: choice for group, choice in hydra.runtime.choices.items() if group in COMPOSED}
    tags = tuple(f"{group}={choice}" for group, choice in sorted(chosen.items()))
    if "MULTIRUN" not in str(hydra.mode):
        return Identity(cfg.name, tags=tags)
    name = f"{cfg.name} {hydra.job.override_dirname.replace(',', ' ')}".strip()
    return Identity(name, Path(hydra.sweep.dir).name, tags)


def build_system(cfg: DictConfig, composition: Composition) -> System:
    """The LightningModule of a config.

    Raises:
        Refusal: where an option of training is wrong.
    """
    optimizer = optimizer_of(cfg, composition)
    fit_out(cfg, composition)
    return System(
        composition,
        optimizer,
        batch_size=cfg.trainer.batch_size,
        seed=cfg.seed,
        average=cfg.trainer.average,
        compiles=cfg.trainer.compile,
        clip_norm=cfg.trainer.clip_norm,
        block=cfg.trainer.block,
    )


def prepare(
    cfg: DictConfig, folder: Path, console: Console
) -> tuple[Composition, System, pl.Trainer]:
    """All that a run consists of but for its loggers, checked and ready to train.

    Raises:
        Refusal: what does not go together, or not on this machine.
    """
    composition = compose(cfg)
    check_run(cfg, composition)
    system = build_system(cfg, composition)
    trainer = build_trainer(cfg, system, folder, console)
    device = trainer.strategy.root_device
    check_precision(cfg, device)
    if cfg.trainer.compile:
        step, size = system.to(device).step, cfg.trainer.batch_size
        system.compile_seconds = rehearse(composition, step, size)
        system.zero_grad()
        console.print(f"  compiled in {system.compile_seconds:.1f} s", highlight=False)
    return composition, system, trainer


def solve(system: System, trainer: pl.Trainer) -> None:
    """Finds what of a model needs no training, on the device that trains.

    What it tells of its iterations goes into the history before the first step: the last at step 0, the
    one before at -1.
    """
    system.to(trainer.strategy.root_device)
    with torch.no_grad():
        bounds = system.model.fit(system.data.split("train").to(system.device))
    system.trainer = trainer
    for before, bound in zip(reversed(range(len(bounds))), bounds, strict=True):
        system.tell({"train/bound": bound}, before)


def fit(
    cfg: DictConfig, system: System, trainer: pl.Trainer, resume_from: Path | None = None
) -> Result:
    """Trains, then tests the weights that `eval.checkpoint` names."""
    keep_memory()
    rank = trainer.global_rank
    pl.seed_everything(derived(cfg.seed, RANK, rank) if rank else cfg.seed, verbose=False)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    begun = time.monotonic()
    if resume_from is None:
        solve(system, trainer)
    trainer.fit(system, ckpt_path=resume_from, weights_only=resume_from is not None)
    seconds = time.monotonic() - begun
    if system.validated < trainer.global_step:
        # A stop within an epoch leaves its last steps unvalidated: they may still be the best.
        trainer.validate(system, verbose=False)
    if not trainer.max_epochs:
        save(trainer, Path(trainer.default_root_dir))
    device = trainer.strategy.root_device
    # One of several processes is enough: the others would measure the same.
    folder = Path(trainer.default_root_dir)
    tested = Tested({}, []) if rank else measured(cfg, system, device, folder)
    return Result(
        system,
        dict(system.latest),
        tested,
        seconds,
        device_name(device),
        peak_memory(device),
    )
