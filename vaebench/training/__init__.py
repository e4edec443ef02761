"""Training: one LightningModule for every composition."""

from vaebench.training.fit import Result, build_loggers, build_system, fit, prepare
from vaebench.training.loggers import History, Identity, RunLogger, TensorBoard, Wandb, close
from vaebench.training.system import Diverged, System
from vaebench.training.trainer import build_trainer, root_device
