"""Inference: evidence about a batch from samples of q."""

from vaebench.inference.infer import (
    batch_size,
    frozen,
    infer,
    log_mean_exp,
    rescore,
    stream,
)

__all__ = ["batch_size", "frozen", "infer", "log_mean_exp", "rescore", "stream"]
