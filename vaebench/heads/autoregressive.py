"""A likelihood whose pixels see those before them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from vaebench.data import Field, Support
from vaebench.distributions import Autoregressive, Distribution
from vaebench.errors import Incompatible
from vaebench.heads.base import Likelihood
from vaebench.heads.likelihoods import Bernoulli, Categorical, Gaussian
from vaebench.nets.base import Activation
from vaebench.nets.conditioner import made

PIXELS: dict[str, Callable[[Field], Likelihood]] = {
    "bernoulli": Bernoulli,
    "categorical": Categorical,
    "gaussian": partial(Gaussian, variance="global"),
}
REAL = (Support.REAL, Support.UNIT)


class AutoregressivePixels(Likelihood):
    """p(x | z) = Π_i p(x_i | x_{<i}, z): to the parameters that the decoder emits, a MADE adds what
    it makes of the pixels before, in the order in which they are stored.

    Scores in one pass and samples pixel by pixel.

    Args:
        pixel: density of each pixel; `auto`: a Gaussian with one learned variance for real values,
            else a Bernoulli.
        hidden: widths of the MADE; with none each pixel is a logistic regression on those before.
        activation: of the MADE.

    References:
        Deep AutoRegressive Networks (Gregor, Danihelka, Mnih, Blundell, Wierstra 2014),
        https://arxiv.org/abs/1310.8499
    """

    order: Tensor

    def __init__(
        self,
        observed: Field,
        *,
        pixel: Literal["auto", "bernoulli", "categorical", "gaussian"],
        hidden: list[int],
        activation: Activation,
    ) -> None:
        super().__init__()
        if observed.support in (Support.LABEL, Support.TOKENS):
            raise Incompatible(
                f"this likelihood needs pixels; the data are {observed.support.words}.",
                "likelihood",
            )
        fits = {"gaussian"} if observed.support is Support.REAL else set(PIXELS)
        if observed.support is Support.UNIT:
            fits = {"bernoulli", "gaussian"}
        if pixel not in {"auto", *fits}:
            raise Incompatible(
                f"likelihood.pixel={pixel}: the data are {observed.support.words}. Use "
                "likelihood.pixel=auto."
            )
        if pixel == "auto":
            pixel = "gaussian" if observed.support in REAL else "bernoulli"
        self.pixel = PIXELS[pixel](observed)
        self.param_shape = self.pixel.param_shape
        order = torch.arange(observed.numel).view(observed.shape)
        self.register_buffer("order", order, persistent=False)
        outputs = torch.Size(self.param_shape).numel() // observed.numel
        self.net = made(order.flatten(), outputs, hidden, 0, activation)

    def forward(self, params: Tensor) -> Autoregressive:
        lead = params.shape[: params.ndim - len(self.param_shape)]

        def conditional(x: Tensor) -> Distribution:
            flat = x.flatten(-self.order.ndim)
            return self.pixel(params + self.net(flat, flat).unflatten(-1, self.param_shape))

        return Autoregressive(conditional, self.order, params, lead)

    def params_for_mean(self, mean: Tensor) -> Tensor:
        return self.pixel.params_for_mean(mean)

    def mean_for_params(self, params: Tensor) -> Tensor:
        return self.pixel.mean_for_params(params)

    @property
    def caveat(self) -> str | None:
        return None  # the head of a pixel has its own

    def bits_per_nat(self) -> tuple[float, float] | None:
        return self.pixel.bits_per_nat()
