"""The loggers that can be chosen, by functions that import them when they are called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from vaebench.training.loggers import History, Identity, TensorBoard, Wandb


def history(folder: Path, identity: Identity) -> History:
    """metrics.csv."""
    from vaebench.training.loggers import History

    return History(folder, identity)


def tensorboard(folder: Path, identity: Identity) -> TensorBoard:
    """TensorBoard's event files."""
    from vaebench.training.loggers import TensorBoard

    return TensorBoard(folder, identity)


def wandb(
    folder: Path, identity: Identity, *, project: str, mode: Literal["auto", "online", "offline"]
) -> Wandb:
    """Weights & Biases.

    Args:
        project: of the dashboard.
        mode: `auto`: online where there is an account.
    """
    from vaebench.training.loggers import Wandb

    return Wandb(folder, identity, project=project, mode=mode)
