"""What a bound makes of the log importance weights of one example's samples."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from vaebench.inference import log_mean_exp


class Bound(ABC):
    """B(f_1, …, f_K) of terms f_i = f(x, z_i), symmetric in them: `[K, B]` → `[B]`."""

    separate: bool = False
    """Whether each sample enters a part of its own."""

    @abstractmethod
    def value(self, f: Tensor) -> Tensor:
        """B, `[B]`."""

    @abstractmethod
    def weights(self, f: Tensor) -> Tensor:
        """∂B/∂f_i, `[K, B]`; they sum to 1."""

    @abstractmethod
    def path_ratio(self, f: Tensor) -> Tensor:
        """By how much more than f_i itself ∂f_i/∂z_i is weighed in the doubly reparameterised
        gradient, `[K, B]`."""

    @abstractmethod
    def share(self, f: Tensor) -> Tensor:
        """The part of B that sample i enters, `[K, B]`: the score function's signal."""

    @abstractmethod
    def share_without(self, f: Tensor) -> Tensor:
        """That part with f_i replaced by the mean of the others that enter it, `[K, B]`."""


class Mean(Bound):
    """1/K Σ_i f_i: the evidence lower bound."""

    separate = True

    def value(self, f: Tensor) -> Tensor:
        return f.mean(0)

    def weights(self, f: Tensor) -> Tensor:
        return torch.full_like(f, 1 / len(f))

    def path_ratio(self, f: Tensor) -> Tensor:
        return torch.ones_like(f)

    def share(self, f: Tensor) -> Tensor:
        return f / len(f)

    def share_without(self, f: Tensor) -> Tensor:
        return mean_of_others(f) / len(f)


class LogMeanExp(Bound):
    """1/M Σ_m log 1/K Σ_i exp f_{m,i}: M independent bounds of K samples each.

    Args:
        groups: M.

    References:
        Importance Weighted Autoencoders (Burda, Grosse, Salakhutdinov 2016),
        https://arxiv.org/abs/1509.00519
        Tighter Variational Bounds are Not Necessarily Better (Rainforth, Kosiorek, Le et al. 2018),
        https://arxiv.org/abs/1802.04537, for M > 1
    """

    def __init__(self, groups: int = 1) -> None:
        self.groups = groups

    def value(self, f: Tensor) -> Tensor:
        if self.groups == 1:
            return log_mean_exp(f)
        return log_mean_exp(self._split(f), 1).mean(0)

    def weights(self, f: Tensor) -> Tensor:
        return self._split(f).softmax(1).flatten(0, 1) / self.groups

    def path_ratio(self, f: Tensor) -> Tensor:
        return self._split(f).softmax(1).flatten(0, 1)

    def share(self, f: Tensor) -> Tensor:
        f = self._split(f)
        return log_mean_exp(f, 1).unsqueeze(1).expand_as(f).flatten(0, 1) / self.groups

    def share_without(self, f: Tensor) -> Tensor:
        f = self._split(f)
        size = f.shape[1]
        others = torch.stack([mean_of_others(group) for group in f])
        # [M, i, j, B]: the terms as sample i's part sees them once its own, j = i, is replaced.
        own = torch.eye(size, dtype=torch.bool, device=f.device)[..., None]
        replaced = torch.where(own, others.unsqueeze(2), f.unsqueeze(1))
        return log_mean_exp(replaced, 2).flatten(0, 1) / self.groups

    def _split(self, f: Tensor) -> Tensor:
        return f.unflatten(0, (self.groups, -1))


class Blend(Bound):
    """α B + (1 - α) C of two bounds.

    Args:
        share: α in [0, 1].
        first: B.
        second: C.
    """

    def __init__(self, share: float, first: Bound, second: Bound) -> None:
        self.parts = ((share, first), (1 - share, second))

    def value(self, f: Tensor) -> Tensor:
        (a, first), (b, second) = self.parts
        return a * first.value(f) + b * second.value(f)

    def weights(self, f: Tensor) -> Tensor:
        (a, first), (b, second) = self.parts
        return a * first.weights(f) + b * second.weights(f)

    def path_ratio(self, f: Tensor) -> Tensor:
        (a, first), (b, second) = self.parts
        wanted = a * first.weights(f) * first.path_ratio(f)
        wanted = wanted + b * second.weights(f) * second.path_ratio(f)
        return wanted / self.weights(f).clamp_min(torch.finfo(f.dtype).tiny)

    def share(self, f: Tensor) -> Tensor:
        (a, first), (b, second) = self.parts
        return a * first.share(f) + b * second.share(f)

    def share_without(self, f: Tensor) -> Tensor:
        (a, first), (b, second) = self.parts
        return a * first.share_without(f) + b * second.share_without(f)


class Tempered(Bound):
    """A bound of terms f in which log q(z | x) has the weight -β in place of -1.

    q's score enters with that weight, which is what ties the path's weight to it; the weights of
    log p(x | z) and log p(z) do not matter.

    Args:
        bound: of f.
        beta: β.
    """

    def __init__(self, bound: Bound, beta: Tensor | float) -> None:
        self.bound, self.beta = bound, beta

    def value(self, f: Tensor) -> Tensor:
        return self.bound.value(f)

    def weights(self, f: Tensor) -> Tensor:
        return self.bound.weights(f)

    def path_ratio(self, f: Tensor) -> Tensor:
        """(1 - β) + β times that of β = 1."""
        return 1 + self.beta * (self.bound.path_ratio(f) - 1)

    def share(self, f: Tensor) -> Tensor:
        return self.bound.share(f)

    def share_without(self, f: Tensor) -> Tensor:
        return self.bound.share_without(f)


def mean_of_others(f: Tensor) -> Tensor:
    """1/(K-1) Σ_{j≠i} f_j, `[K, B]`."""
    return (f.sum(0) - f) / (len(f) - 1)
