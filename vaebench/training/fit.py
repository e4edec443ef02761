"""One run: train, keep the best weights, test them."""

from __future__ import annotations

import ctypes
import logging
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as pl
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.loggers import Logger
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from rich.console import Console

from vaebench.compose import Composition, compose, instantiate
from vaebench.config.chosen import chosen
from vaebench.config.schema import Precision
from vaebench.data.seeds import RANK, derived
from vaebench.errors import Refusal
from vaebench.heads import Conditional
from vaebench.nets.language import SentenceReader
from vaebench.nets.recurrent import lacks_bfloat16
from vaebench.training.checkpoints import BEST, FOLDER, LAST, Best, Keeper, initialise
from vaebench.training.compiled import check_widths, try_out
from vaebench.training.log import Log
from vaebench.training.loggers import Identity
from vaebench.training.progress import Bar
from vaebench.training.rejected import lacking, rejected
from vaebench.training.schedules import LearningRate
from vaebench.training.system import System
from vaebench.training.watch import Averaging, Collapse, Guard

TAGGED = ("model", "nets", "posterior", "refine", "weights", "prior", "likelihood", "objective")
TAGGED += ("estimator", "dataset")


@dataclass(frozen=True)
class Result:
    """A finished run.

    Attributes:
        system: with the evaluated weights.
        metrics: the last value of every metric.
        loggers: still open.
        seconds: of training, validation included.
        device: where it ran.
        peak_memory_mb: of the process so far (CPU), or of this run in the GPU's allocator.
    """

    system: System
    metrics: dict[str, float]
    loggers: list[Logger]
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
    chosen = {group: choice for group, choice in hydra.runtime.choices.items() if group in TAGGED}
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
        eval_k=cfg.eval.k,
        eval_examples=cfg.eval.examples,
        average=cfg.trainer.average,
        compiles=cfg.trainer.compile,
    )


def build_trainer(cfg: DictConfig, system: System, folder: Path, console: Console) -> pl.Trainer:
    """Lightning's trainer with our checkpoints and bar, and no logger yet.

    Where several processes train, it is built inside `processes.rank_zero`.

    Raises:
        Refusal: where the machine lacks the accelerator.
    """
    quiet()
    try:
        return pl.Trainer(
            accelerator=cfg.trainer.accelerator.value,
            strategy="ddp" if cfg.trainer.devices > 1 else "auto",
            devices=cfg.trainer.devices,
            plugins=[LightningEnvironment()],  # whatever cluster this may be a job of
            use_distributed_sampler=False,  # the loader knows its rank
            max_epochs=cfg.trainer.max_epochs,
            max_steps=cfg.trainer.max_steps,
            logger=False,
            callbacks=callbacks(cfg, system, folder, console),
            gradient_clip_val=cfg.trainer.clip_norm or None,
            detect_anomaly=cfg.trainer.detect_anomaly,
            default_root_dir=folder,
            num_sanity_val_steps=0,
            inference_mode=False,  # refined samples follow a gradient in evaluation too
            enable_checkpointing=False,  # ours are atomic
            enable_progress_bar=False,
            enable_model_summary=False,
        )
    except MisconfigurationException as error:
        raise Refusal(
            f"trainer.accelerator={cfg.trainer.accelerator.value}: {lacking(error)}. "
            "Use trainer.accelerator=auto."
        ) from error


def root_device(accelerator: str) -> torch.device:
    """The device that an accelerator's name stands for on this machine.

    Raises:
        Refusal: where the machine lacks it.
    """
    quiet()
    try:
        trainer = pl.Trainer(
            accelerator=accelerator,
            devices=1,
            plugins=[LightningEnvironment()],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
    except MisconfigurationException as error:
        line = f"accelerator={accelerator}: {lacking(error)}. Use accelerator=auto."
        raise Refusal(line) from error
    return trainer.strategy.root_device


def callbacks(cfg: DictConfig, system: System, folder: Path, console: Console) -> list[pl.Callback]:
    """In this order: a checkpoint holds what the others did at its step."""
    monitor, mode = system.monitor
    chosen: list[pl.Callback] = [
        Guard(cfg.trainer.on_nan, folder),
        Averaging(),
        Log(cfg.trainer.log_every),
        LearningRate(instantiate(cfg.schedule), monitor, mode),
        Collapse(console),
        Bar(console),
        Best(folder, monitor, mode),
        Keeper(folder, cfg.checkpoint.every),
    ]
    if cfg.trainer.patience:
        # After validation rather than at the epoch's end, whose checkpoint must know of it.
        chosen.append(
            EarlyStopping(
                monitor,
                mode=mode,
                patience=cfg.trainer.patience,
                check_on_train_epoch_end=False,
                check_finite=False,
            )
        )
    return chosen


def prepare(
    cfg: DictConfig, folder: Path, console: Console
) -> tuple[Composition, System, pl.Trainer]:
    """All that a run consists of but for its loggers, checked and ready to train.

    Raises:
        Refusal: what does not go together, or not on this machine.
    """
    composition = compose(cfg)
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
    trainer.fit(system, ckpt_path=resume_from, weights_only=resume_from is not None)
    seconds = time.monotonic() - begun
    if system.validated < trainer.global_step:
        # A stop within an epoch leaves its last steps unvalidated: they may still be the best.
        trainer.validate(system, verbose=False)
    name = BEST if cfg.eval.checkpoint.value == "best" else LAST
    chosen = Path(trainer.default_root_dir) / FOLDER / name
    trainer.test(system, ckpt_path=chosen, verbose=False, weights_only=True)
    device = trainer.strategy.root_device
    return Result(
        system,
        dict(system.latest),
        trainer.loggers,
        seconds,
        device_name(device),
        peak_memory(device),
    )


def quiet() -> None:
    """Lightning's advice about data loaders does not apply to tensors that live on the device."""
    for name in ("pytorch_lightning", "lightning_fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", module="lightning_fabric")


def keep_memory() -> None:
    """glibc: keep freed memory instead of returning it, which costs page faults at every step."""
    if not sys.platform.startswith("linux"):
        return
    m_trim_threshold, m_mmap_threshold, large = -1, -3, 2**30
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(m_mmap_threshold, large)
        libc.mallopt(m_trim_threshold, large)
    except (OSError, AttributeError):
        return  # another C library: nothing to tune


def device_name(device: torch.device) -> str:
    """`cpu`, or the name of the accelerator."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def peak_memory(device: torch.device) -> float:
    """Peak memory in MiB; 0 where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
