"""Data drawn from a linear-Gaussian model, whose log p(x) is known: the yardstick."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from vaebench.algebra import low_rank_log_prob
from vaebench.data.base import Dataset, Part
from vaebench.data.columns import Column, InMemorySplit
from vaebench.data.protocol import Split
from vaebench.data.spec import Batch, Field, Spec
from vaebench.errors import DataError


class PPCA(Dataset):
    """x = W z + μ + σ ε with z ~ N(0, I_d), ε ~ N(0, I_D), so that x ~ N(μ, W Wᵀ + σ² I).

    Probabilistic principal component analysis (Tipping, Bishop 1999). W and μ are drawn once from
    N(0, 1) with `data_seed`.

    Args:
        dim: D, width of an observation.
        latent_dim: d, width of the latent variable.
        noise: σ > 0.
        size: number of examples in all.
        split: which of them are held out.
        data_seed: seed of W, μ and the examples; the run's seed does not touch the data.
    """

    def __init__(
        self, *, dim: int, latent_dim: int, noise: float, size: int, split: Split, data_seed: int
    ) -> None:
        if not 1 <= latent_dim <= dim:
            raise DataError(f"dataset.latent_dim={latent_dim}: between 1 and dataset.dim={dim}")
        if noise <= 0:
            raise DataError(f"dataset.noise={noise}: must be positive")
        split.check("PPCA", official=False)
        generator = torch.Generator().manual_seed(data_seed)
        self.w = torch.randn(dim, latent_dim, generator=generator, dtype=torch.float64)
        self.mu = torch.randn(dim, generator=generator, dtype=torch.float64)
        z = torch.randn(size, latent_dim, generator=generator, dtype=torch.float64)
        e = torch.randn(size, dim, generator=generator, dtype=torch.float64)
        self.noise, self.data_seed, self.held_out = noise, data_seed, split
        self.x = (z @ self.w.T + self.mu + noise * e).float()
        self.index = split.indices(size)

    @property
    def spec(self) -> Spec:
        train = self.x[self.index["train"]]
        return Spec({"x": Field((train.shape[1],), mean=train.mean(0))}, len(train))

    def split(self, part: Part) -> InMemorySplit:
        return InMemorySplit({"x": Column(self.x, rows=self.index[part])})

    @property
    def protocol(self) -> dict[str, Any]:
        return self.held_out.record(self.index) | {"data_seed": self.data_seed}

    def exact_log_prob(self, batch: Batch) -> Tensor:
        """log N(x; μ, W Wᵀ + σ² I), `[B]`, computed in float64 on the CPU."""
        x = batch["x"].cpu().double()
        scale = torch.tensor([self.noise], dtype=x.dtype)
        return low_rank_log_prob(x - self.mu, self.w, scale)
