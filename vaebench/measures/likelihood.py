"""Likelihoods by importance sampling."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import reduce

import torch
from torch import Tensor

from vaebench.distributions import Noise
from vaebench.inference import stream
from vaebench.models import Model


@torch.no_grad()
def log_likelihood(model: Model, batch: Mapping[str, Tensor], k: int, noise: Noise) -> Tensor:
    """L_k = log 1/k Σ_i p(x, z_i) / q(z_i | x), `[B]`: a lower bound on log p(x) in expectation.

    The k samples come in chunks, so that memory does not grow with k; the encoder runs once.

    Raises:
        ValueError: for k < 1.

    References:
        Importance Weighted Autoencoders (Burda, Grosse, Salakhutdinov 2016), eq. 8
    """
    if k < 1:
        raise ValueError(f"k={k}: at least one sample")
    parts = (evidence.log_w.logsumexp(0) for evidence in stream(model, batch, k, noise))
    return reduce(torch.logaddexp, parts) - math.log(k)
