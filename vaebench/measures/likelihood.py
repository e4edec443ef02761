"""Likelihoods by importance sampling."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from vaebench.distributions import Noise
from vaebench.inference import stream
from vaebench.models import Model


@torch.no_grad()
def log_likelihood(model: Model, batch: Mapping[str, Tensor], k: int, noise: Noise) -> Tensor:
    """L_k = log 1/k Σ_i p(x, z_i) / q(z_i | x), `[B]`: a lower bound on log p(x) in expectation.

    The k samples come in chunks, so that memory does not grow with k; the encoder runs once.

    References:
        Importance Weighted Autoencoders (Burda, Grosse, Salakhutdinov 2016), eq. 8
    """
    total: Tensor | None = None
    for evidence in stream(model, batch, k, noise):
        part = evidence.log_w.logsumexp(0)
        total = part if total is None else torch.logaddexp(total, part)
    if total is None:
        raise ValueError(f"k={k}: at least one sample")
    return total - math.log(k)
