"""Noise that can be used once more."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vaebench.distributions import Noise
from vaebench.errors import Incompatible


class Replay(Noise):
    """Keeps what it gave, so that some of the samples can be drawn again.

    Args:
        source: where it comes from.
    """

    def __init__(self, source: Noise | None = None) -> None:
        self.source = source or Noise()
        self.kept: list[Tensor] = []

    def lent(self) -> torch.Generator | None:
        """None can be lent: what was drawn from it would not be kept."""
        raise Incompatible(
            "this estimator repeats the noise of one sample, and this posterior draws it inside "
            "torch.distributions.",
            "estimator",
            "posterior",
        )

    def normal(self, shape: Sequence[int], like: Tensor) -> Tensor:
        return self._keep(self.source.normal(shape, like))

    def uniform(self, shape: Sequence[int], like: Tensor) -> Tensor:
        return self._keep(self.source.uniform(shape, like))

    def only(self, number: Tensor) -> Noise:
        """The noise of one sample for each example.

        Args:
            number: which of the k samples, `[B]`.
        """
        return Kept([_of(x, number) for x in self.kept])

    def _keep(self, noise: Tensor) -> Tensor:
        self.kept.append(noise)
        return noise


class Kept(Noise):
    """Gives what was kept, in order."""

    def __init__(self, kept: Sequence[Tensor]) -> None:
        super().__init__()
        self.kept = iter(kept)

    def normal(self, shape: Sequence[int], like: Tensor) -> Tensor:
        return next(self.kept)

    def uniform(self, shape: Sequence[int], like: Tensor) -> Tensor:
        return next(self.kept)


def _of(noise: Tensor, number: Tensor) -> Tensor:
    """`[1, B, …]` of `[k, B, …]`; noise that is not of samples, or common to all of them, stays."""
    if noise.ndim < 2 or noise.shape[1] != len(number) or len(noise) == 1:
        return noise
    return noise[number, torch.arange(len(number), device=noise.device)].unsqueeze(0)
