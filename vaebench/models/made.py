"""An autoregressive density estimator: no latents, an exact log p(x)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from vaebench.data import Batch, Field, Spec
from vaebench.distributions import Autoregressive, Distribution, Ensemble
from vaebench.errors import Incompatible
from vaebench.heads import Likelihood
from vaebench.models.base import RecognitionFirst
from vaebench.models.parts import check_entrywise, observed_field
from vaebench.nets.base import Activation
from vaebench.nets.masked import MaskedNet
from vaebench.trace import Trace


class MADE(RecognitionFirst):
    """p(x) = Π_i p(x_i | x_{<i}) with every conditional from one masked net.

    With several sets of masks, each training batch uses one of them, drawn at random, and the
    density that is evaluated is the mean of all, which is normalised too.

    Args:
        spec: names and shapes of a batch, and N.
        likelihood: `Field` of x → head of each pixel.
        hidden: widths of the hidden layers.
        activation: between them.
        masks: how many sets of masks.
        order: of the pixels: `natural`, the same for all sets, or `random`, one for each set.
        observed: which name of the batch is x.

    References:
        MADE: Masked Autoencoder for Distribution Estimation (Germain, Gregor, Murray, Larochelle
        2015), https://arxiv.org/abs/1502.03509
    """

    def __init__(
        self,
        spec: Spec,
        *,
        likelihood: Callable[[Field], Likelihood],
        hidden: list[int],
        activation: Activation,
        masks: int = 1,
        order: Literal["natural", "random"] = "natural",
        observed: str = "x",
    ) -> None:
        super().__init__()
        if masks < 1:
            raise Incompatible(f"model.masks={masks}: at least 1")
        x = observed_field(spec, observed)
        self.observed, self.shape = observed, x.shape
        self.head = likelihood(x)
        check_entrywise(self.head, x)
        outputs = torch.Size(self.head.param_shape).numel() // x.numel
        self.net = MaskedNet(_orders(x.numel, masks, order), outputs, hidden, activation)
        if x.mean is not None:
            with torch.no_grad():
                self.net.layers[-1].bias.copy_(self.head.params_for_mean(x.mean).flatten())

    def recognise(self, q: Trace, batch: Batch) -> None:
        """There is nothing to infer."""

    def generate(self, p: Trace, batch: Batch) -> None:
        p(self.observed, self._density(p))

    def _density(self, p: Trace) -> Distribution:
        count, like = len(self.net.orders), self.net.layers[-1].bias
        if self.training and count > 1:
            which = (p.noise.uniform((1,), like) * count).long().clamp(max=count - 1)
            return self._member(which)
        members = [self._member(torch.tensor([m], device=like.device)) for m in range(count)]
        return members[0] if count == 1 else Ensemble(members)

    def _member(self, which: Tensor) -> Autoregressive:
        """The density under one set of masks."""
        order = self.net.orders.index_select(0, which)[0].view(self.shape)
        return Autoregressive(partial(self._conditional, which), order, self.net.layers[-1].bias)

    def _conditional(self, which: Tensor, x: Tensor) -> Distribution:
        flat = x.flatten(-len(self.shape))
        return self.head(self.net(flat, which).unflatten(-1, self.head.param_shape))


def _orders(dim: int, masks: int, order: str) -> Tensor:
    """Position of each pixel under each set of masks, `[masks, dim]`; the same in every run."""
    if order == "natural":
        return torch.arange(dim).expand(masks, dim).contiguous()
    generator = torch.Generator().manual_seed(0)
    return torch.stack([torch.randperm(dim, generator=generator) for _ in range(masks)])
