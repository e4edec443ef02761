"""Training: one LightningModule for every composition."""

from vaebench.training.fit import Result, build_loggers, build_system, build_trainer, fit, prepare
from vaebench.training.loggers import METRICS, History, Wandb, read_history, tensorboard
from vaebench.training.system import Diverged, System

__all__ = [
    "METRICS",
    "Diverged",
    "History",
    "Result",
    "System",
    "Wandb",
    "build_loggers",
    "build_system",
    "build_trainer",
    "fit",
    "prepare",
    "read_history",
    "tensorboard",
]
