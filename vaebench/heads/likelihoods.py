"""Likelihood heads: densities of the data given the decoder's output. All constants included."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaebench.algebra import inverse_softplus
from vaebench.data import Field, Support
from vaebench.distributions import BernoulliLogits, CategoricalLevels, DiagNormal, LabelLogits
from vaebench.errors import Incompatible
from vaebench.heads.base import Likelihood

MEAN_RANGE = (0.001, 0.999)
"""Means are clipped here before a logit (Burda, Grosse, Salakhutdinov 2016)."""

LEAST = 1e-12
"""What a learned standard deviation has above its least at least, to be a softplus."""


class Bernoulli(Likelihood):
    """p(x | z) = Π_i Bernoulli(x_i; sigmoid(l_i(z))), for x in [0, 1].

    On grey values this is a cross-entropy, not a normalised density: a run says so.
    """

    def __init__(self, observed: Field) -> None:
        super().__init__()
        if observed.support in (Support.REAL, Support.LABEL, Support.TOKENS):
            raise Incompatible(
                f"this likelihood needs values in [0, 1]; the data are {observed.support.words}.",
                "likelihood",
            )
        self.field, self.param_shape = observed, observed.shape

    def forward(self, params: Tensor) -> BernoulliLogits:
        return BernoulliLogits(params, len(self.param_shape))

    def params_for_mean(self, mean: Tensor) -> Tensor:
        return mean.clamp(*MEAN_RANGE).logit()

    @property
    def fitted_by_mean(self) -> bool:
        return True

    @property
    def caveat(self) -> str | None:
        if self.field.support is Support.BINARY:
            return None
        return (
            "this likelihood on grey values is a cross-entropy, not a normalised density: its "
            "nats compare with no other likelihood's (dataset.binarize=dynamic makes them a mass)"
        )

    def bits_per_nat(self) -> tuple[float, float] | None:
        return _mass(self.field) if self.field.support is Support.BINARY else None


Variance = Literal["fixed", "global", "per_pixel", "amortised"]


class Gaussian(Likelihood):
    """p(x | z) = N(x; μ(z), σ²).

    Args:
        variance: `fixed`: σ = scale; `global`: one learned σ; `per_pixel`: a learned σ_i for each
            pixel; `amortised`: σ_i(z) from the decoder (Kingma, Welling 2014, for Frey faces).
        scale: σ where it is fixed, its initial value where it is learned.
        min_scale: a learned σ = min_scale + softplus(·) stays above it, since a density has no
            upper bound on pixels that never change. Unused, so not to be set, when fixed.
        link: μ = decoder output (`identity`) or its `sigmoid`.
    """

    log_scale: Tensor
    raw: Tensor

    def __init__(
        self,
        observed: Field,
        *,
        variance: Variance = "fixed",
        scale: float = 1.0,
        min_scale: float = 0.0,
        link: Literal["identity", "sigmoid"] = "identity",
    ) -> None:
        super().__init__()
        self._check(observed, variance, scale, min_scale)
        self.field, self.variance, self.link, self.min_scale = observed, variance, link, min_scale
        raw = softplus_start(scale, min_scale)
        amortised = variance == "amortised"
        self.param_shape = (2, *observed.shape) if amortised else observed.shape
        if variance == "fixed":
            log_scale = torch.full((1,) * len(observed.shape), math.log(scale))
            self.register_buffer("log_scale", log_scale, persistent=False)
        elif amortised:
            self.register_buffer("raw", torch.tensor(raw), persistent=False)
        else:
            shape = observed.shape if variance == "per_pixel" else (1,) * len(observed.shape)
            self.raw = nn.Parameter(torch.full(shape, raw))

    @staticmethod
    def _check(observed: Field, variance: str, scale: float, min_scale: float) -> None:
        if variance == "fixed" and min_scale:
            raise Incompatible(
                "likelihood.min_scale does nothing with likelihood.variance=fixed. Use "
                "likelihood.min_scale=0 or likelihood.variance=global."
            )
        check_real(observed, scale, min_scale)

    def forward(self, params: Tensor) -> DiagNormal:
        dims = len(self.field.shape)
        loc = params
        if self.variance == "amortised":
            loc, free = params.unbind(-dims - 1)
            log_scale = (self.min_scale + F.softplus(free + self.raw)).log()
        elif self.variance == "fixed":
            log_scale = self.log_scale
        else:
            log_scale = (self.min_scale + F.softplus(self.raw)).log()
        return DiagNormal(loc.sigmoid() if self.link == "sigmoid" else loc, log_scale, dims)

    def params_for_mean(self, mean: Tensor) -> Tensor:
        loc = mean.clamp(*MEAN_RANGE).logit() if self.link == "sigmoid" else mean
        return torch.stack([loc, torch.zeros_like(loc)]) if self.variance == "amortised" else loc

    @property
    def fitted_by_mean(self) -> bool:
        return self.variance == "fixed"

    @property
    def fitted_by_covariance(self) -> bool:
        return self.variance != "fixed"

    @torch.no_grad()
    def params_for_covariance(self, mean: Tensor, covariance: Tensor) -> Tensor:
        params = self.params_for_mean(mean)
        reached = mean.clamp(*MEAN_RANGE) if self.link == "sigmoid" else mean
        variance = covariance.diagonal().view(mean.shape) + (mean - reached).square()
        if self.variance == "global":
            variance = variance.mean()
        raw = inverse_softplus((variance.sqrt() - self.min_scale).clamp(min=LEAST))
        if self.variance == "amortised":
            params[1] = raw - self.raw.item()
        else:
            self.raw.copy_(raw.expand_as(self.raw))
        return params

    @property
    def caveat(self) -> str | None:
        return density_caveat(self.field)

    def bits_per_nat(self) -> tuple[float, float] | None:
        return density_bits(self.field)


class Categorical(Likelihood):
    """p(x | z) = Π_i softmax(l_i(z))[x_i], one logit for each of the data's grey levels."""

    def __init__(self, observed: Field) -> None:
        super().__init__()
        if observed.support not in (Support.LEVELS, Support.BINARY):
            raise Incompatible(
                f"this likelihood needs grey levels; the data are {observed.support.words}.",
                "likelihood",
                options=("dataset.dequantize=false",) if observed.levels else (),
            )
        self.field, self.param_shape = observed, (observed.levels, *observed.shape)

    def forward(self, params: Tensor) -> CategoricalLevels:
        return CategoricalLevels(params, len(self.field.shape))

    def params_for_mean(self, mean: Tensor) -> Tensor:
        """The two-parameter family of largest entropy: logits linear in the level, found by Newton."""
        mean = mean.clamp(*MEAN_RANGE).double()
        level = torch.linspace(0, 1, self.field.levels, dtype=torch.float64)
        level = level.view(-1, *(1 for _ in mean.shape))
        slope = torch.zeros_like(mean)
        for _ in range(100):
            p = (slope * level).softmax(0)
            first = (p * level).sum(0)
            variance = (p * (level - first).square()).sum(0)
            slope = slope + ((mean - first) / variance).clamp(-5, 5)
        return (slope * level).to(torch.get_default_dtype())

    def bits_per_nat(self) -> tuple[float, float] | None:
        return _mass(self.field)


class Label(Likelihood):
    """p(y | ·) = softmax(l(·))[y] of a label; of several, their product.

    A label has no mean. What stands for one is the data's `Field.mean`: how often each class occurs;
    and of a distribution, its most probable class.
    """

    def __init__(self, observed: Field) -> None:
        super().__init__()
        if observed.support is not Support.LABEL:
            raise Incompatible(
                f"this likelihood is of labels; the data are {observed.support.words}.",
                "likelihood",
            )
        self.field, self.param_shape = observed, (observed.levels, *observed.shape)

    def forward(self, params: Tensor) -> LabelLogits:
        return LabelLogits(params, len(self.field.shape))

    def params_for_mean(self, mean: Tensor) -> Tensor:
        """log of the classes' shares `[L, *shape]`, those of classes that never occur at 0.001."""
        return mean.clamp(min=MEAN_RANGE[0]).log()

    @property
    def fitted_by_mean(self) -> bool:
        return True

    def bits_per_nat(self) -> tuple[float, float] | None:
        return None  # error and calibration are the measures of labels


def check_real(observed: Field, scale: float, min_scale: float) -> None:
    """Of densities of real numbers with a standard deviation.

    Raises:
        Incompatible: the data are no numbers, or an option is out of range.
    """
    if observed.support in (Support.LABEL, Support.TOKENS):
        raise Incompatible(
            f"this likelihood needs floats; the data are {observed.support.words}.", "likelihood"
        )
    if not 0 < scale < math.inf:
        raise Incompatible(f"likelihood.scale={scale}: must be positive")
    if not 0 <= min_scale < scale:
        raise Incompatible(f"likelihood.min_scale={min_scale}: between 0 and scale={scale}")


def softplus_start(scale: float, min_scale: float) -> float:
    """r with min_scale + softplus(r) = scale."""
    return inverse_softplus(torch.tensor(scale - min_scale, dtype=torch.float64)).item()


def density_caveat(field: Field) -> str | None:
    """What a reader of a density's numbers on these data should know."""
    if field.support not in (Support.LEVELS, Support.BINARY):
        return None
    return (
        f"this likelihood on {field.levels} discrete values is a density without an upper bound: "
        "its nats compare with no mass (dataset.dequantize=true gives bits per dimension of grey "
        "levels)"
    )


def density_bits(field: Field) -> tuple[float, float] | None:
    """`bits_per_nat` of a density, where dequantized grey levels made it comparable with a mass."""
    if field.support is not Support.UNIT or not field.levels:
        return None
    return 1 / (field.numel * math.log(2)), math.log2(field.levels)


def _mass(field: Field) -> tuple[float, float]:
    return 1 / (field.numel * math.log(2)), 0.0
