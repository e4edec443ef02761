"""Linear algebra that several floors share: it knows tensors alone."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def low_rank_log_prob(shift: Tensor, w: Tensor, scale: Tensor) -> Tensor:
    """log N(x; μ, W Wᵀ + Ψ) with Ψ = diag σ², `[*]`, without a D x D matrix.

    With V = Ψ^-½ W and M = I + Vᵀ V, the determinant lemma gives log det (W Wᵀ + Ψ) = log det M +
    Σ_i log σ_i², and Woodbury's identity (x - μ)ᵀ (W Wᵀ + Ψ)⁻¹ (x - μ) = ‖s - V z‖² + ‖z‖², with s =
    Ψ^-½ (x - μ) and the posterior's mean z = M⁻¹ Vᵀ s: a sum of squares, of which rounding leaves
    more than of the usual difference.

    Args:
        shift: x - μ, `[*, D]`.
        w: W, `[D, d]`.
        scale: σ, `[D]` or `[1]`.

    References:
        Inverting Modified Matrices (Woodbury 1950)
    """
    v, s = w / scale.unsqueeze(-1), shift / scale
    chol = torch.linalg.cholesky(torch.eye(w.shape[1]).to(w) + v.T @ v)
    z = torch.cholesky_solve((s @ v).unsqueeze(-1), chol).squeeze(-1)
    squares = (s - z @ v.T).square().sum(-1) + z.square().sum(-1)
    log_det = 2 * (chol.diagonal().log().sum() + scale.log().expand(len(w)).sum())
    return -0.5 * (squares + log_det + len(w) * math.log(2 * math.pi))


def inverse_softplus(x: Tensor) -> Tensor:
    """y with log(1 + e^y) = x > 0, without overflow."""
    return x + (-torch.expm1(-x)).log()
