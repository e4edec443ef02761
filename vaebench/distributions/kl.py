"""Closed-form Kullback-Leibler divergences, by pair of types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from vaebench.distributions.base import Distribution, Torch, sum_event
from vaebench.distributions.categorical import OneHot
from vaebench.distributions.discrete import BernoulliLogits
from vaebench.distributions.gaussian import DiagNormal, FullNormal, StandardNormal

Q = TypeVar("Q", bound=Distribution)
P = TypeVar("P", bound=Distribution)
Pair = tuple[type[Distribution], type[Distribution]]
_CLOSED_FORMS: dict[Pair, Callable[[Any, Any], Tensor]] = {}


def register_kl(
    q: type[Q], p: type[P]
) -> Callable[[Callable[[Q, P], Tensor]], Callable[[Q, P], Tensor]]:
    """Declares a closed form of KL(q ‖ p) for these two types."""

    def register(function: Callable[[Q, P], Tensor]) -> Callable[[Q, P], Tensor]:
        _CLOSED_FORMS[q, p] = function
        return function

    return register


def has_kl(q: Distribution, p: Distribution) -> bool:
    """Whether `kl_divergence(q, p)` has a closed form."""
    if isinstance(q, Torch) and isinstance(p, Torch):
        try:
            torch.distributions.kl_divergence(q.dist, p.dist)
        except NotImplementedError:
            return False
        return True
    return (type(q), type(p)) in _CLOSED_FORMS and q.kind == p.kind


def kl_divergence(q: Distribution, p: Distribution) -> Tensor:
    """KL(q ‖ p) in nats, `[*batch]`.

    >>> p = StandardNormal(torch.zeros(2))
    >>> kl_divergence(DiagNormal(torch.tensor([1.0, 0.0]), torch.zeros(2)), p)  # ½ ‖μ‖² at σ = 1
    tensor(0.5000)

    Raises:
        KeyError: where no closed form is known; ask `has_kl` first.
    """
    if isinstance(q, Torch) and isinstance(p, Torch):
        return torch.distributions.kl_divergence(q.dist, p.dist)
    return _CLOSED_FORMS[type(q), type(p)](q, p)


@register_kl(DiagNormal, StandardNormal)
def _diag_standard(q: DiagNormal, p: StandardNormal) -> Tensor:
    """½ Σ_d (σ_d² + μ_d² - 1 - 2 log σ_d)  (Kingma, Welling 2014, appendix B)."""
    variance = (2 * q.log_scale).exp()
    return 0.5 * sum_event(variance + q.loc.square() - 1 - 2 * q.log_scale, q.event_dims)


@register_kl(DiagNormal, DiagNormal)
def _diag_diag(q: DiagNormal, p: DiagNormal) -> Tensor:
    """Σ_d log(σ_p/σ_q) + (σ_q² + (μ_q - μ_p)²) / (2 σ_p²) - ½."""
    log_ratio = p.log_scale - q.log_scale
    squares = (-2 * log_ratio).exp() + ((q.loc - p.loc) * (-p.log_scale).exp()).square()
    return sum_event(log_ratio + 0.5 * (squares - 1), q.event_dims)


@register_kl(BernoulliLogits, BernoulliLogits)
def _bits(q: BernoulliLogits, p: BernoulliLogits) -> Tensor:
    """Σ_d q_d (l_d - m_d) + log(1 - q_d) - log(1 - p_d), with l and m the logits of q and p."""
    free = F.softplus(p.logits) - F.softplus(q.logits)
    return sum_event(q.mean * (q.logits - p.logits) + free, q.event_dims)


@register_kl(OneHot, OneHot)
def _classes(q: OneHot, p: OneHot) -> Tensor:
    """Σ_dc q_dc (log q_dc - log p_dc)."""
    log_q, log_p = q.logits.log_softmax(-1), p.logits.log_softmax(-1)
    return (log_q.exp() * (log_q - log_p)).sum((-2, -1))


@register_kl(FullNormal, StandardNormal)
def _full_standard(q: FullNormal, p: StandardNormal) -> Tensor:
    """½ (tr L Lᵀ + ‖μ‖² - D) - log det L."""
    trace = q.scale_tril.square().sum((-2, -1))
    return 0.5 * (trace + q.loc.square().sum(-1) - q.loc.shape[-1]) - q.log_det()


@register_kl(FullNormal, DiagNormal)
def _full_diag(q: FullNormal, p: DiagNormal) -> Tensor:
    """½ (Σ_ij (L_ij/σ_i)² + ‖(μ_q - μ_p)/σ‖² - D) - log det L + Σ_i log σ_i."""
    inverse = (-p.log_scale).exp()
    trace = (q.scale_tril * inverse.unsqueeze(-1)).square().sum((-2, -1))
    shift = ((q.loc - p.loc) * inverse).square().sum(-1)
    return 0.5 * (trace + shift - q.loc.shape[-1]) - q.log_det() + p.log_scale.sum(-1)
