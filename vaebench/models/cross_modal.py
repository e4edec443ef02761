"""Several modalities of one thing around one latent vector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, combinations
from typing import Literal

import torch
from torch import Tensor

from vaebench.data import Batch, Field, Spec
from vaebench.distributions import DiagNormal, Distribution, Ensemble, product
from vaebench.errors import Incompatible
from vaebench.heads import Head, Likelihood, latent_field
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
from vaebench.trace import Trace

Combine = Literal["product", "mixture", "mixture_of_products"]


class CrossModal(RecognitionFirst):
    """q(z | x_S) of any part S of the modalities x_1, …, x_M against p(z) Π_m p(x_m | z).

    Each modality has an encoder, the expert q_m(z | x_m), and a decoder. Experts of those that are there
    become q(z | x_S): as a product, N(0, I) Π_m q_m, normalised; a mixture, 1/|S| Σ_m q_m; or a mixture of
    the products of all parts of S. What is missing from a batch is not read, and what p then draws itself
    counts for nothing.

    Args:
        spec: names and shapes of a batch, and N.
        latent_dim: D, width of z.
        nets: family of the encoders and decoders.
        posterior: `Field` of z → head of q_m(z | x_m).
        prior: `Field` of z → p(z).
        likelihood: `Field` of x_m → head of p(x_m | z).
        observed: which names of the batch are x_m.
        combine: what q makes of several experts. Of a mixture k draws are as many of each part.

    References:
        Cross-modal Deep Variational Hand Pose Estimation (Spurr, Song, Park, Hilliges 2018),
        https://arxiv.org/abs/1803.11404
        Multimodal Generative Models for Scalable Weakly-Supervised Learning (Wu, Goodman 2018),
        https://arxiv.org/abs/1802.05335, for products
        Variational Mixture-of-Experts Autoencoders for Multi-Modal Deep Generative Models (Shi,
        Siddharth, Paige, Torr 2019), https://arxiv.org/abs/1911.03393, for mixtures
        Generalized Multimodal ELBO (Sutter, Daunhawer, Vogt 2021), https://arxiv.org/abs/2105.02470,
        for mixtures of products
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
        combine: Combine,
    ) -> None:
        super().__init__()
        x = observed_fields(spec, observed)
        self.observed, self.combine = tuple(x), combine
        heads = {name: amortised(posterior(code(latent_dim))) for name in x}
        z = latent_field(latent_dim, heads[self.observed[0]])
        self.posterior = encoders(nets, x, heads)
        first = self.posterior[self.observed[0]]
        self.prior = prior_of(prior, z, posterior=first, read=x, conditions={})
        self.likelihood = decoders(nets, {"z": z}, {n: likelihood(f) for n, f in x.items()}, x)
        self.register_buffer("zero", torch.zeros(z.shape), persistent=False)

    def recognise(self, q: Trace, batch: Batch) -> None:
        experts = [self.posterior[name](batch[name]) for name in self.observed if name in batch]
        q("z", self._combined(experts) if experts else DiagNormal(self.zero, self.zero))

    def _combined(self, experts: Sequence[Distribution]) -> Distribution:
        """q(z | x_S) of the experts of S."""
        match self.combine:
            case "product":
                return product(experts)
            case "mixture":
                return _mixture(experts)
        sizes = range(1, len(experts) + 1)
        parts = chain.from_iterable(combinations(experts, size) for size in sizes)
        return _mixture([product(part) for part in parts])

    def generate(self, p: Trace, batch: Batch) -> None:
        z = p("z", self.prior.of(batch))
        visit(p, self.observed, self.likelihood, z)


def _mixture(parts: Sequence[Distribution]) -> Distribution:
    """Of equal weights.

    Raises:
        Incompatible: a part cannot score draws of another.
    """
    if len(parts) == 1:
        return parts[0]
    if not all(part.scores_given for part in parts):
        raise Incompatible(
            "this model mixes posteriors, each of which scores draws of the others; this posterior "
            "scores only its own samples.",
            "posterior",
            "model",
        )
    return Ensemble(parts, stratified=True)
