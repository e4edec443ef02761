"""The Helmholtz free energy: a bound in the words of physics."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from vaebench.trace import Evidence


def free_energy(evidence: Evidence) -> dict[str, Tensor]:
    """F = ⟨E⟩ - H, `[B]` each: the mean energy E = -log p(x, z) under q, less q's entropy.

    -F is the evidence lower bound, whatever bound was trained.

    References:
        The Helmholtz Machine (Dayan, Hinton, Neal, Zemel 1995)
    """
    log_w = evidence.log_w.detach().mean(0)
    log_q: Any = sum(evidence.q[name].log_prob.detach().mean(0) for name in evidence.latents)
    return {"free_energy": -log_w, "energy": -(log_w + log_q), "entropy": -log_q}
