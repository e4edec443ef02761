"""Training: one LightningModule for every composition.

What is named here is imported when it is asked for: Lightning takes seconds, and most commands have no
use for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vaebench.training.fitting import Result, build_loggers, build_system, fit, prepare
    from vaebench.training.loggers import (
        History,
        Identity,
        RunLogger,
        TensorBoard,
        Wandb,
        close,
    )
    from vaebench.training.system import Diverged, System
    from vaebench.training.trainer import build_trainer

STANDS_IN = {
    "fitting": ("Result", "build_loggers", "build_system", "fit", "prepare"),
    "loggers": ("History", "Identity", "RunLogger", "TensorBoard", "Wandb", "close"),
    "system": ("Diverged", "System"),
    "trainer": ("build_trainer",),
}


def __getattr__(name: str) -> Any:
    for module, names in STANDS_IN.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
