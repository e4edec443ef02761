"""Training: one LightningModule for every composition."""

from vaebench.training.fit import (
    Result,
    build_loggers,
    build_system,
    build_trainer,
    fit,
    prepare,
    root_device,
)
from vaebench.training.loggers import (
    History,
    Identity,
    RunLogger,
    TensorBoard,
    Wandb,
    close,
)
from vaebench.training.system import Diverged, System
