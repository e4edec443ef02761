"""Optimizers, built as `optimizer(parameters or groups)`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


def Adam(  # noqa: N802 - a config's target reads as the optimizer's name
    params: Iterable[Tensor] | Iterable[dict[str, Any]],
    *,
    lr: float,
    betas: list[float],
    eps: float,
    weight_decay: float,
) -> torch.optim.Optimizer:
    """Adam (Kingma, Ba 2015) in its fused form: one kernel for all parameters."""
    return torch.optim.Adam(
        params, lr=lr, betas=(betas[0], betas[1]), eps=eps, weight_decay=weight_decay, fused=True
    )
