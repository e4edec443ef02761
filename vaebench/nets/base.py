"""Families of nets: an encoder and a decoder that fit whatever shapes the data and heads ask for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from vaebench.data import Field, Support
from vaebench.errors import Incompatible
from vaebench.nets.join import Fields, Join, Vectors, check_numbers, reading

Shape = tuple[int, ...]
Init = Literal["glorot", "he", "torch"]
OutputBias = Literal["data_mean", "zero"]
Activation = Literal["tanh", "relu", "leaky_relu", "elu", "gelu", "silu", "softplus", "sigmoid"]

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "sigmoid": nn.Sigmoid,
}


class Regularised(nn.Module, ABC):
    """A module that knows the price of weights: a prior over them."""

    note: ClassVar[str] = "the loss includes -log p(weights) / N; no bound does"
    """What a reader of the results should know."""

    term: ClassVar[str] = ""
    """Under which name the price is reported, each of N examples' share of it; empty: it is not."""

    @abstractmethod
    def penalty(self) -> Tensor:
        """-log p(weights) up to its constant, or KL(q(weights) ‖ p), of the data set as a whole."""


class Family(ABC):
    """A family of nets."""

    @abstractmethod
    def encoder(self, data: Field | Fields, out_shape: Shape) -> nn.Module:
        """An initialised encoder `[*, *shape]` of one field, or of several by name, each an argument
        of its own in their order → `[*, *out_shape]`.

        Raises:
            Incompatible: it reads other data than these.
        """

    @abstractmethod
    def decoder(
        self,
        in_shape: Shape,
        out_shape: Shape,
        mean: Tensor | None,
        params_for_mean: Callable[[Tensor], Tensor],
    ) -> nn.Module:
        """An initialised decoder of data with a mean, and a likelihood's parameters for it."""


class Uniform(Family):
    """A family of one kind of net, whatever it reads.

    Args:
        activation: between layers.
        init: weights `glorot` (uniform, zero biases; Glorot, Bengio 2010), `he` (uniform, zero
            biases; He et al. 2015), or `torch`'s own defaults.
        output_bias: the decoder's last bias: `data_mean`, the parameters whose likelihood has the
            data's mean (Burda, Grosse, Salakhutdinov 2016), or `zero`.
    """

    def __init__(self, *, activation: Activation, init: Init, output_bias: OutputBias) -> None:
        self.activation = ACTIVATIONS[activation]
        self.init, self.output_bias = init, output_bias

    reads_tokens: ClassVar[bool] = False
    """Whether its encoders read rows of tokens instead of numbers."""

    joins: ClassVar[type[Join]] = Vectors
    """How its encoders read several fields."""

    @abstractmethod
    def build_encoder(self, data: Field, out_shape: Shape) -> nn.Module:
        """`[*, *data.shape]` → `[*, *out_shape]`, from data to a flat head."""

    @abstractmethod
    def build_decoder(self, in_shape: Shape, out_shape: Shape) -> tuple[nn.Module, nn.Parameter]:
        """`[*, *in_shape]` → `[*, *out_shape]`, and its last bias, `[*out_shape]` or per channel."""

    def encoder(self, data: Field | Fields, out_shape: Shape) -> nn.Module:
        fields = {"data": data} if isinstance(data, Field) else data
        self._check_reads(fields)
        net = reading(fields, self.joins, lambda field: self.build_encoder(field, out_shape))
        net.apply(self._initialise)
        return net

    def _check_reads(self, fields: Fields) -> None:
        if not self.reads_tokens:
            check_numbers(fields, "nets")
        elif len(fields) > 1:
            why = f"this nets reads tokens alone; the data for it are {', '.join(fields)}."
            raise Incompatible(why, "nets")
        elif any(field.support is not Support.TOKENS for field in fields.values()):
            raise Incompatible("this nets reads tokens; the data are numbers.", "nets")

    def shared_mean(self, mean: Tensor) -> Tensor:
        """The data's mean `[*shape]`, averaged over the places that share one output bias."""
        return mean

    def decoder(
        self,
        in_shape: Shape,
        out_shape: Shape,
        mean: Tensor | None,
        params_for_mean: Callable[[Tensor], Tensor],
    ) -> nn.Module:
        net, bias = self.build_decoder(in_shape, out_shape)
        net.apply(self._initialise)
        with torch.no_grad():
            if self.output_bias == "zero":
                bias.zero_()
            elif mean is None:
                raise Incompatible(
                    "nets.output_bias=data_mean: this nets begins at a mean, and the data have none.",
                    options=("nets.output_bias=zero",),
                )
            else:
                params = params_for_mean(self.shared_mean(mean))
                bias.copy_(params.reshape(bias.numel(), -1).mean(1).view_as(bias))
        return net

    def _initialise(self, module: nn.Module) -> None:
        if self.init == "torch" or not isinstance(module, nn.Linear | nn.modules.conv._ConvNd):
            return
        if self.init == "glorot":
            nn.init.xavier_uniform_(module.weight)
        else:
            nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def widths(name: str, values: list[int]) -> list[int]:
    """Layer widths, each at least 1."""
    if any(v < 1 for v in values):
        raise Incompatible(f"{name}={values}: every width must be at least 1")
    return list(values)
