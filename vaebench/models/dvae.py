"""Latents that are each of a known part of what is seen: the disentangled VAE."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from vaebench.data import Batch, Field, Spec
from vaebench.distributions import DiagNormal, Distribution
from vaebench.errors import Incompatible
from vaebench.heads import Head, Likelihood, Prior, latent_field
from vaebench.models.base import RecognitionFirst
from vaebench.models.parts import (
    Observed,
    PriorOf,
    amortised,
    code,
    decoders,
    encoders,
    observed_fields,
    prior_of,
    visit,
)
from vaebench.nets import Family
from vaebench.nets.precision import Multiplies
from vaebench.suggest import override
from vaebench.trace import Trace


class DVAE(RecognitionFirst):
    """Π_j p(z_j) p(y_j | z_j) p(x | z_1, …, z_J): a latent z_j of each part y_j that is known of x, such as
    pose, view and content, and x from all of them.

    q(z_j | y_j) where y_j is there; where it is not, q(z_j | x), of which one encoder makes all; where
    neither is, N(0, I).

    Args:
        spec: names and shapes of a batch, and N.
        latent_dim: D_j, width of each z_j.
        nets: family of all encoders and decoders.
        posterior: `Field` of z_j → head of q(z_j | y_j) and of q(z_j | x).
        prior: `Field` of z_j → p(z_j).
        likelihood: `Field` of x or y_j → its head.
        observed: which names of the batch are x.
        parts: which are y_j; the latent of `pose` is called `z_pose`.

    References:
        Disentangling Latent Hands for Image Synthesis and Pose Estimation (Yang, Yao 2019),
        https://arxiv.org/abs/1812.01002
    """

    partial = True
    zero: Tensor

    def __init__(
        self,
        spec: Spec,
        *,
        latent_dim: int,
        nets: Family,
        posterior: Callable[[Field], Head],
        prior: PriorOf,
        likelihood: Callable[[Field], Likelihood],
        observed: Observed,
        parts: Sequence[str],
    ) -> None:
        super().__init__()
        x = observed_fields(spec, observed)
        y = part_fields(spec, parts, x)
        self.observed, self.parts = tuple(x), {name: f"z_{name}" for name in y}
        heads = {name: amortised(posterior(code(latent_dim))) for name in y}
        z = {self.parts[name]: latent_field(latent_dim, head) for name, head in heads.items()}
        self.posterior = encoders(nets, y, heads)
        own = [amortised(posterior(code(latent_dim))) for _ in y]
        (width,) = own[0].param_shape
        self.embedding = SharedEncoder(nets.encoder(x, (len(own) * width,)), own)
        self.prior = nn.ModuleDict(
            {
                self.parts[n]: prior_of(
                    prior, z[self.parts[n]], posterior=self.posterior[n], read={n: f}, conditions={}
                )
                for n, f in y.items()
            }
        )
        made = {n: likelihood(f) for n, f in x.items()}
        self.likelihood = decoders(nets, z, made, x)
        self.likelihood_of_parts = nn.ModuleDict(
            {
                n: decoders(nets, {self.parts[n]: z[self.parts[n]]}, {n: likelihood(f)}, {n: f})
                for n, f in y.items()
            }
        )
        first = next(iter(z.values()))
        self.register_buffer("zero", torch.zeros(first.shape), persistent=False)

    def recognise(self, q: Trace, batch: Batch) -> None:
        unknown = [name for name in self.parts if name not in batch]
        from_x: Mapping[str, Distribution] = {}
        if unknown and all(name in batch for name in self.observed):
            read = self.embedding(*(batch[name] for name in self.observed))
            from_x = dict(zip(self.parts, read, strict=True))
        for name, latent in self.parts.items():
            if name not in unknown:
                q(latent, self.posterior[name](batch[name]))
            else:
                q(latent, from_x.get(name, DiagNormal(self.zero, self.zero)))

    def generate(self, p: Trace, batch: Batch) -> None:
        priors = cast("Mapping[str, Prior]", self.prior)
        z = {latent: p(latent, priors[latent].of(batch)) for latent in self.parts.values()}
        visit(p, self.observed, self.likelihood, *z.values())
        for name, latent in self.parts.items():
            visit(p, [name], self.likelihood_of_parts[name], z[latent])


def part_fields(spec: Spec, parts: Sequence[str], x: Mapping[str, Field]) -> Mapping[str, Field]:
    """The parts that are known of x.

    Raises:
        Incompatible: there is none, one twice, or one of x.
    """
    if not parts or {*parts} & {*x} or len({*parts}) < len(parts):
        others = [name for name in spec.fields if name not in x]
        raise Incompatible(
            f"{override('model.parts', [*parts])}: at least one name, none twice, and none that is "
            "made of all latents.",
            options=(override("model.parts", others),),
        )
    return observed_fields(spec, [*parts])


class SharedEncoder(Multiplies):
    """Densities of several latents given the same: a net that emits the parameters of all heads."""

    def __init__(self, net: nn.Module, heads: list[Head]) -> None:
        super().__init__()
        self.net, self.heads = net, nn.ModuleList(heads)

    def forward(self, *contexts: Tensor) -> list[Distribution]:
        """Contexts `[*, *shape]` → a density with batch `[*]` for each head."""
        params = self.multiplied(self.net, *contexts).chunk(len(self.heads), -1)
        return [head(own) for head, own in zip(self.heads, params, strict=True)]
