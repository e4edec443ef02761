"""Likelihoods by importance sampling."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import reduce

import torch
from torch import Tensor

from vaebench.distributions import Noise
from vaebench.heads import Likelihood
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


def likelihood_metrics(log_p: Tensor, model: Model) -> dict[str, float]:
    """`test/nll` in nats, its standard error over examples, and bits per dimension.

    Args:
        log_p: log-likelihoods of the examples, `[N]`; of one example there is no error.
        model: tells whether its likelihood has bits per dimension on these data.
    """
    nll = -log_p.cpu().double()  # some accelerators have no float64
    metrics = {"test/nll": nll.mean().item()}
    if len(nll) > 1:
        metrics["test/nll_se"] = (nll.std() / math.sqrt(len(nll))).item()
    heads = [m for m in model.modules() if isinstance(m, Likelihood)]
    bits = heads[0].bits_per_nat() if len(heads) == 1 else None
    if bits is not None:
        metrics["test/bpd"] = metrics["test/nll"] * bits[0] + bits[1]
    return metrics
