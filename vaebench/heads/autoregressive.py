"""A likelihood whose pixels see those before them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from vaebench.data import Field, Support
from vaebench.distributions import Autoregressive, Distribution
from vaebench.distributions.autoregressive import Step
from vaebench.errors import Incompatible
from vaebench.heads.base import Likelihood
from vaebench.heads.likelihoods import Bernoulli, Categorical, Gaussian
from vaebench.nets.base import Activation
from vaebench.nets.conditioner import Conditioner, made
from vaebench.nets.pixel_cnn import PixelCNN
from vaebench.nets.pixel_rnn import PixelRNN
from vaebench.nets.pixels import PixelNet, as_image, raster

PIXELS: dict[str, Callable[[Field], Likelihood]] = {
    "bernoulli": Bernoulli,
    "categorical": Categorical,
    "gaussian": partial(Gaussian, variance="global"),
}
REAL = (Support.REAL, Support.UNIT)
NETS: dict[str, type[PixelCNN] | type[PixelRNN]] = {"pixel_cnn": PixelCNN, "pixel_rnn": PixelRNN}


class AutoregressivePixels(Likelihood):
    """p(x | z) = Π_i p(x_i | x_{<i}, z): to the parameters that the decoder emits, a net adds what it
    makes of the entries before.

    Scores in one pass and samples entry by entry. A MADE reads them in the order in which they are
    stored. The other nets read row by row, the colours of a pixel one after the other; what the decoder
    emits for a pixel is told to each of their layers too, and sampling them takes no pass an entry.

    Args:
        net: `made`, `pixel_cnn` (gated masked convolutions) or `pixel_rnn` (LSTMs and a masked
            convolution).
        pixel: density of each pixel; `auto`: a Gaussian with one learned variance for real values,
            else a Bernoulli.
        hidden: widths of its hidden layers; of a MADE with none each pixel is a logistic regression on
            those before.
        kernel: window of the first convolution, odd; 0: all pixels, as a MADE sees them.
        activation: of a MADE, and of the layers that end the other nets.

    References:
        Deep AutoRegressive Networks (Gregor, Danihelka, Mnih, Blundell, Wierstra 2014),
        https://arxiv.org/abs/1310.8499
        Conditional Image Generation with PixelCNN Decoders (van den Oord, Kalchbrenner, Espeholt,
        Vinyals, Graves, Kavukcuoglu 2016), https://arxiv.org/abs/1606.05328
        PixelVAE: A Latent Variable Model for Natural Images (Gulrajani, Kumar, Ahmed, Taiga, Visin,
        Vazquez, Courville 2017), for both together
    """

    order: Tensor

    def __init__(
        self,
        observed: Field,
        *,
        pixel: Literal["auto", "bernoulli", "categorical", "gaussian"],
        hidden: list[int],
        activation: Activation,
        net: Literal["made", "pixel_cnn", "pixel_rnn"] = "made",
        kernel: int = 0,
    ) -> None:
        super().__init__()
        self.pixel = _pixel(observed, pixel)
        self.param_shape = self.pixel.param_shape
        outputs = torch.Size(self.param_shape).numel() // observed.numel
        self.net: Conditioner | PixelNet
        if net == "made":
            _check_made(kernel)
            order = torch.arange(observed.numel).view(observed.shape)
            self.net = made(order.flatten(), outputs, hidden, 0, activation)
        else:
            if len(observed.shape) > 3:
                why = f"likelihood.net={net}: the data have more dimensions than an image."
                raise Incompatible(why, options=("likelihood.net=made",))
            shape = as_image(observed.shape)
            order = raster(shape).view(observed.shape)
            known = outputs * shape[0]
            self.net = NETS[net](shape, outputs, known, hidden, kernel, activation)
        self.register_buffer("order", order, persistent=False)

    def forward(self, params: Tensor) -> Autoregressive:
        lead = params.shape[: params.ndim - len(self.param_shape)]
        if isinstance(self.net, PixelNet):
            seen, steps = partial(self._seen, params), partial(self._steps, params)
            return Autoregressive(seen, self.order, params, lead, steps=steps, width=self.net.size)
        net = self.net

        def conditional(x: Tensor) -> Distribution:
            flat = x.flatten(-self.order.ndim)
            return self.pixel(params + net(flat, flat).unflatten(-1, self.param_shape))

        return Autoregressive(conditional, self.order, params, lead)

    def _seen(self, params: Tensor, x: Tensor) -> Distribution:
        """All pixels, each given those of x before it."""
        lead = torch.broadcast_shapes(
            params.shape[: params.ndim - len(self.param_shape)],
            x.shape[: x.ndim - self.order.ndim],
        )
        images = x.expand(*lead, *self.order.shape).reshape(-1, *as_image(self.order.shape))
        numbers = self.net(images, self._known(params, lead))
        return self.pixel(params + numbers.reshape(*lead, *self.param_shape))

    def _known(self, params: Tensor, lead: Sequence[int]) -> Tensor:
        """Parameters as channels of images, `[N, outputs · C, H, W]`."""
        whole = params.expand(*lead, *self.param_shape)
        return whole.reshape(-1, self.param_numbers, *as_image(self.order.shape)[1:])

    @property
    def param_numbers(self) -> int:
        """Parameters of a pixel, all colours together."""
        _, height, width = as_image(self.order.shape)
        return torch.Size(self.param_shape).numel() // (height * width)

    def _steps(self, params: Tensor, shape: Sequence[int]) -> Step:
        """How draws of this shape before the parameters' batch are made."""
        assert isinstance(self.net, PixelNet)
        lead = (*shape, *params.shape[: params.ndim - len(self.param_shape)])
        known = self._known(params, lead)
        walk, place = self.net.walk(known), self.order.flatten().argsort().tolist()
        image, ones = as_image(self.order.shape), (1,) * self.order.ndim
        flat = known.view(len(known), -1, self.order.numel())

        def step(position: int, x: Tensor) -> Distribution:
            numbers = walk(position, x.reshape(-1, *image)) + flat[..., place[position]]
            outputs = self.param_shape[: len(self.param_shape) - self.order.ndim]
            return self.pixel(numbers.view(*lead, *outputs, *ones))

        return step

    def params_for_mean(self, mean: Tensor) -> Tensor:
        return self.pixel.params_for_mean(mean)

    def mean_for_params(self, params: Tensor) -> Tensor:
        return self.pixel.mean_for_params(params)

    @property
    def caveat(self) -> str | None:
        return None  # the head of a pixel has its own

    def bits_per_nat(self) -> tuple[float, float] | None:
        return self.pixel.bits_per_nat()


def _pixel(observed: Field, pixel: str) -> Likelihood:
    """The density of each pixel.

    Raises:
        Incompatible: the data have no pixels, or others.
    """
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
    return PIXELS[pixel](observed)


def _check_made(kernel: int) -> None:
    if kernel:
        raise Incompatible(
            f"likelihood.kernel={kernel} does nothing with likelihood.net=made. Use "
            "likelihood.kernel=0 or likelihood.net=pixel_cnn."
        )
