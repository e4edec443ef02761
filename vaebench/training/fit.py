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

from vaebench.compose import Composition, compose, instantiate
from vaebench.config.chosen import chosen
from vaebench.config.groups import COMPOSED
from vaebench.config.schema import Precision
from vaebench.data.seeds import RANK, derived
from vaebench.errors import Refusal
from vaebench.heads import Conditional
from vaebench.nets.language import SentenceReader
from vaebench.nets.recurrent import lacks_bfloat16
from vaebench.training.checkpoints import initialise, save
from vaebench.training.compiled import check_widths, try_out
from vaebench.training.loggers import Identity
from vaebench.training.machine import device_name, keep_memory, peak_memory
from vaebench.training.rejected import rejected
from vaebench.training.system import System
from vaebench.training.testing import Tested, check_measures, measured
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
        Refusal: where the optimizer rejects its options.
    """
    optimizer = instantiate(cfg.optimizer)
    try:
        optimizer([{"params": list(composition.model.parameters())}])
    except ValueError as error:
        raise Refusal(rejected(cfg.optimizer, error)) from error
    if cfg.init_from:
        initialise(composition.model, cfg.init_from)
    _set_precision(composition, cfg.trainer.precision)
    return System(
        composition,
        optimizer,
        batch_size=cfg.trainer.batch_size,
        seed=cfg.seed,
        average=cfg.trainer.average,
        compiles=cfg.trainer.compile,
    )


def prepare(
    cfg: DictConfig, folder: Path, console: Console
) -> tuple[Composition, System, pl.Trainer]:
    """All that a run consists of but for its loggers, checked and ready to train.

    Raises:
        Refusal: what does not go together, or not on this machine.
    """
    composition = compose(cfg)
    check_measures(cfg, composition)
    check_epochs(cfg, composition)
    system = build_system(cfg, composition)
    trainer = build_trainer(cfg, system, folder, console)
    composition.report.notes.extend(_exceptions(composition, cfg.trainer.precision, trainer))
    if cfg.trainer.compile:
        check_widths(composition.data.spec)
        rehearse(system, trainer)
    return composition, system, trainer


def _set_precision(composition: Composition, precision: Precision) -> None:
    nets = [m for m in composition.model.modules() if isinstance(m, Conditional)]
    if precision is not Precision.float32 and not nets:
        raise Refusal(
            f"trainer.precision={precision.value} is of nets that emit a density's parameters, and "
            f"{chosen('model')} has none. Use trainer.precision=float32."
        )
    for net in nets:
        net.precision = getattr(torch, precision.value)


def _exceptions(composition: Composition, precision: Precision, trainer: pl.Trainer) -> list[str]:
    """What stays in float32 on the device of this run, whatever its precision."""
    device = trainer.strategy.root_device
    cells = [m.rnn for m in composition.model.modules() if isinstance(m, SentenceReader)]
    kept = {type(cell).__name__ for cell in cells if lacks_bfloat16(cell, device)}
    if precision is Precision.float32 or not kept:
        return []
    return [
        f"trainer.precision={precision.value}: this CPU has no such products for "
        f"{' and '.join(sorted(kept))} nets, which train in float32"
    ]


def rehearse(system: System, trainer: pl.Trainer) -> None:
    """Compiles the loss for a run's own batches and device, before the run begins.

    Raises:
        Incompatible: where torch cannot.
    """
    split = system.to(trainer.strategy.root_device).data.split("train").first(system.batch_size)
    index = torch.arange(len(split), device=system.device)
    try_out(system.step, split.to(system.device).batch(index))
    system.zero_grad()


def check_epochs(cfg: DictConfig, composition: Composition) -> None:
    """Refuses to train nothing, but for a model that needs no training.

    Raises:
        Refusal: naming the option.
    """
    if cfg.trainer.max_epochs == 0 and not composition.model.solves:
        why = f"{chosen('model')} with these parts is found by training alone"
        raise Refusal(f"trainer.max_epochs=0: must be at least 1, since {why}.")


def solve(system: System, trainer: pl.Trainer) -> None:
    """Finds what of a model needs no training, on the device that trains."""
    system.to(trainer.strategy.root_device)
    with torch.no_grad():
        system.model.fit(system.data.split("train").to(system.device))


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
