"""Training: one LightningModule for every composition."""

from vaebench.training.fit import (
    Result,
    build_loggers,
    build_system,
    fit,
    prepare,
)
from vaebench.training.loggers import (
    Concluding,
    History,
    Identity,
    TensorBoard,
    Wandb,
    close,
)
from vaebench.training.system import Diverged, System
from vaebench.training.trainer import build_trainer, root_device

__all__ = [
    "Concluding",
    "Diverged",
    "History",
    "Identity",
    "Result",
    "System",
    "TensorBoard",
    "Wandb",
    "build_loggers",
    "build_system",
    "build_trainer",
    "close",
    "fit",
    "prepare",
    "root_device",
]
