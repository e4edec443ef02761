"""Types of the options that belong to no single component; Hydra checks them before any job runs."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, is_dataclass
from dataclasses import field as default
from enum import StrEnum
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from vaebench.errors import Refusal
from vaebench.suggest import literal, override, use

Checkpoint = StrEnum("Checkpoint", ["best", "last"])
"""Which weights are evaluated."""

Accelerator = StrEnum("Accelerator", ["auto", "cpu", "gpu", "mps"])
"""Lightning's names."""

Strategy = StrEnum("Strategy", ["single", "ddp"])
"""How many processes train."""

Precision = StrEnum("Precision", ["float32", "bfloat16"])
"""Of the nets in training."""

OnNan = StrEnum("OnNan", ["stop", "skip", "rollback"])
"""What to do about a step whose loss or gradient is not finite."""

Budget = StrEnum("Budget", ["small", "full"])
"""What an experiment may take: two cores for minutes, or a GPU."""


@dataclass
class Evaluation:
    """`eval.*`: what is measured of the test split at the end of training."""

    measures: list[str] = default(default_factory=lambda: ["terms", "likelihood", "classification"])
    k: int = 100
    examples: int = 0
    weight_samples: int = 0
    checkpoint: Checkpoint = Checkpoint.best


@dataclass
class Training:
    """`trainer.*`."""

    accelerator: Accelerator = Accelerator.auto
    strategy: Strategy = Strategy.single
    devices: int = 1
    max_epochs: int = 100
    max_steps: int = -1
    batch_size: int = 100
    log_every: int = 50
    block: int | str = "auto"
    clip_norm: float = 0.0
    patience: int = 0
    average: float = 0.0
    on_nan: OnNan = OnNan.stop
    compile: bool = False
    precision: Precision = Precision.float32
    detect_anomaly: bool = False


@dataclass
class Checkpoints:
    """`checkpoint.*`: besides each epoch's end."""

    every: int = 0


@dataclass
class Suggested:
    """What a data set suggests."""

    latent_dim: int = 16
    scale: float = 1.0
    eval_k: int = 100
    vary: dict[str, int] = default(default_factory=dict)
    latents: dict[str, int] = default(default_factory=dict)
    weights: dict[str, float] = default(default_factory=dict)


@dataclass
class Config:
    """The root."""

    model: Any = MISSING
    nets: Any = MISSING
    posterior: Any = MISSING
    refine: Any = MISSING
    weights: Any = MISSING
    weight_prior: Any = MISSING
    prior: Any = MISSING
    likelihood: Any = MISSING
    objective: Any = MISSING
    anneal: Any = MISSING
    baseline: Any = MISSING
    estimator: Any = MISSING
    optimizer: Any = MISSING
    schedule: Any = MISSING
    logger: Any = MISSING
    callbacks: Any = MISSING
    dataset: Any = MISSING
    trainer: Training = default(default_factory=Training)
    eval: Evaluation = default(default_factory=Evaluation)
    checkpoint: Checkpoints = default(default_factory=Checkpoints)
    suggested: Suggested = default(default_factory=Suggested)
    budget: Budget = Budget.small
    k: int = 1
    seed: int = 0
    data_dir: str = ""
    init_from: str = ""
    name: str = ""


SMALLEST = {
    "k": 1,
    "seed": 0,
    "eval.k": 1,
    "eval.examples": 0,
    "eval.weight_samples": 0,
    "checkpoint.every": 0,
    "trainer.max_epochs": 0,
    "trainer.max_steps": -1,
    "trainer.batch_size": 1,
    "trainer.log_every": 1,
    "trainer.clip_norm": 0,
    "trainer.patience": 0,
    "trainer.average": 0,
    "trainer.devices": 1,
}


def check_keys(cfg: DictConfig, schema: Any = Config, prefix: str = "") -> None:
    """Refuses options that nobody reads: `+foo=1` gets past Hydra.

    Raises:
        Refusal: naming the option.
    """
    hints = typing.get_type_hints(schema)
    for key in map(str, cfg):
        if key not in hints:
            raise Refusal(f"no option {prefix + key!r}")
        if is_dataclass(hints[key]):
            check_keys(cfg[key], hints[key], f"{key}.")


def by_budget(small: Any, full: Any, *, _root_: DictConfig) -> Any:
    """`${by_budget:SMALL,FULL}` in an experiment."""
    return full if _root_.budget == Budget.full else small


def if_equal(one: Any, other: Any, then: Any, otherwise: Any) -> Any:
    """`${if_equal:A,B,THEN,ELSE}` where a choice depends on an option."""
    found = then if one == other else otherwise
    # A plain list would not be resolved any further.
    return ListConfig(found) if isinstance(found, list) else found


OmegaConf.register_new_resolver("by_budget", by_budget, replace=True)
OmegaConf.register_new_resolver("if_equal", if_equal, replace=True)


def unresolved(error: BaseException) -> str | None:
    """One line for a `${…}` in an option that refers to nothing; None for any other error."""
    text, name = str(error), getattr(error, "full_key", None)
    option = f"{name}: " if name else ""
    if match := re.search(r"Environment variable '(\w+)' not found", text):
        return f"{option}the environment has no {match[1]}"
    if match := re.search(r"Interpolation key '([^']+)' not found", text):
        return f"{option}${{{match[1]}}} refers to no option"
    return None


@contextmanager
def resolving() -> Iterator[None]:
    """While open, what OmegaConf objects to is refused in one line."""
    try:
        yield
    except OmegaConfBaseException as error:
        raise Refusal(unresolved(error) or str(error).splitlines()[0]) from error


def register() -> None:
    """Makes the schema known to Hydra."""
    ConfigStore.instance().store(name="schema", node=Config)


def check_ranges(cfg: DictConfig) -> None:
    """Refuses numbers that are too small to mean anything.

    Raises:
        Refusal: naming the option and its smallest value.
    """
    for name, smallest in SMALLEST.items():
        value = OmegaConf.select(cfg, name)
        if value is None:
            raise Refusal(f"{name} must be given")
        if not value >= smallest:  # nan is not
            raise Refusal(f"{name}={value}: must be at least {smallest}")
    if cfg.seed >= 2**32:
        raise Refusal(f"seed={cfg.seed}: must be below 2^32")
    k = OmegaConf.select(cfg, "objective.k", default=cfg.k)
    if k != cfg.k:
        instead = use(override("k", k)) if isinstance(k, int) and k >= 1 else ""
        raise Refusal(f"objective.k={literal(k)} follows k={cfg.k}: set that instead.{instead}")
    if cfg.trainer.average >= 1:
        raise Refusal(
            f"trainer.average={cfg.trainer.average}: must be below 1. Use trainer.average=0.999."
        )
    if cfg.trainer.max_steps == 0:
        raise Refusal("trainer.max_steps=0: must be at least 1, or -1 for no limit")
    _check_processes(cfg)
    _check_block(cfg)


def _check_processes(cfg: DictConfig) -> None:
    if cfg.trainer.devices == 1 and cfg.trainer.strategy is Strategy.ddp:
        raise Refusal("trainer=ddp with trainer.devices=1 shares nothing. Use trainer.devices=2.")
    if cfg.trainer.devices > 1 and cfg.trainer.strategy is Strategy.single:
        raise Refusal(
            f"trainer.devices={cfg.trainer.devices} needs several processes. Use trainer=ddp."
        )


def _check_block(cfg: DictConfig) -> None:
    block = cfg.trainer.block
    if block == "auto":
        return
    if not isinstance(block, int) or block < 1:
        raise Refusal(f"trainer.block={literal(block)}: must be at least 1, or auto")
    if block > 1 and cfg.trainer.strategy is Strategy.ddp:
        raise Refusal(
            f"trainer.block={block}: processes that train together agree after each step. Use "
            "trainer.block=auto."
        )
