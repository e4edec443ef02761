"""Hierarchies of latents: deep latent Gaussian models, sigmoid belief nets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

from torch import nn

from vaebench.data import Batch, Field, Spec, Support
from vaebench.errors import Incompatible
from vaebench.heads import Conditional, Head, Likelihood, latent_field
from vaebench.heads.posteriors import suited
from vaebench.models.base import RecognitionFirst, Refine, unrefined
from vaebench.models.parts import (
    Observed,
    PriorOf,
    condition_fields,
    decoders,
    no_density,
    observed_fields,
    prior_of,
    values,
    visit,
)
from vaebench.nets import Family
from vaebench.nets.join import Fields, Vectors, reading
from vaebench.trace import Trace


class Hierarchical(RecognitionFirst):
    """q(z_1 | x) Π_l q(z_l | z_{l-1}), bottom-up, against p(z_L) Π_l p(z_{l-1} | z_l) p(x | z_1),
    top-down.

    p(z_{l-1} | z_l) is a diagonal Gaussian, or independent bits or classes where q infers those. Under
    conditions y every factor but the prior reads y too, and the prior may be p(z_L | y). Several
    observed names are independent given z_1 and y.

    Args:
        spec: names and shapes of a batch, and N.
        layers: widths of z_1, …, z_L, in variables; z_1 is next to the data.
        nets: family of the nets between x and z_1.
        links: family of the nets between latents.
        posterior: `Field` of a latent → head of its q.
        prior: `Field` of z_L → p(z_L).
        likelihood: `Field` of x → head of p(x | z_1).
        observed: which names of the batch are x.
        conditions: which are y.
        refine: fields of latents, and of x and y, by name → what moves q's samples.
        helmholtz: whether all latents are to be bits and the free energy is reported.

    References:
        The Helmholtz Machine (Dayan, Hinton, Neal, Zemel 1995)
        Stochastic Backpropagation and Approximate Inference in Deep Generative Models
        (Rezende, Mohamed, Wierstra 2014), https://arxiv.org/abs/1401.4082
        Importance Weighted Autoencoders (Burda, Grosse, Salakhutdinov 2016),
        https://arxiv.org/abs/1509.00519
    """

    def __init__(
        self,
        spec: Spec,
        *,
        layers: list[int],
        nets: Family,
        links: Family,
        posterior: Callable[[Field], Head],
        prior: PriorOf,
        likelihood: Callable[[Field], Likelihood],
        observed: Observed = "x",
        conditions: Sequence[str] = (),
        refine: Callable[[dict[str, Field], dict[str, Field]], Refine | None] = unrefined,
        helmholtz: bool = False,
    ) -> None:
        super().__init__()
        if not layers or min(layers) < 1:
            raise Incompatible(f"model.layers={layers}: at least one layer, each at least 1 wide")
        x = observed_fields(spec, observed)
        y = condition_fields(spec, conditions, x)
        self.observed, self.conditions = tuple(x), tuple(y)
        self.has_free_energy = helmholtz
        heads = [posterior(Field((width,))) for width in layers]
        if helmholtz and heads[0].support is not Support.BINARY:
            raise Incompatible(
                f"this model is a net of bits, and this posterior infers {heads[0].support.words}.",
                "posterior",
                "model",
            )
        fields = [latent_field(width, head) for width, head in zip(layers, heads, strict=True)]
        self.names = [f"z{i + 1}" for i in range(len(layers))]
        self.posterior = nn.ModuleList(
            [Conditional(nets.encoder(x | y, heads[0].param_shape), heads[0])]
        )
        self.links = nn.ModuleList()
        for (below, above), head in zip(pairwise(fields), heads[1:], strict=True):
            encoder = links.encoder({"below": below} | y, head.param_shape)
            self.posterior.append(Conditional(encoder, head))
            self.links.append(_link(links, {"above": above} | y, below))
        why = f"its {self.names[-1]} depends on a draw of {self.names[0]}"
        alone = self.posterior[0] if len(layers) == 1 else partial(no_density, why)
        self.prior = prior_of(prior, fields[-1], posterior=alone, read=x | y, conditions=y)
        observations = {name: likelihood(field) for name, field in x.items()}
        self.likelihood = decoders(nets, {"z": fields[0]} | y, observations, x)
        self.refine = refine(dict(zip(self.names, fields, strict=True)), x | y)

    def recognise(self, q: Trace, batch: Batch) -> None:
        below, y = values(batch, self.observed), values(batch, self.conditions)
        for name, conditional in zip(self.names, self.posterior, strict=True):
            below = [q(name, conditional(*below, *y))]

    def generate(self, p: Trace, batch: Batch) -> None:
        names, y = self.names[::-1], values(batch, self.conditions)
        z = p(names[0], self.prior.of(batch))
        for name, link in zip(names[1:], reversed(self.links), strict=True):
            z = p(name, link(z, *y))
        visit(p, self.observed, self.likelihood, z, *y)


def _link(links: Family, given: Fields, below: Field) -> Conditional:
    """p(z_{l-1} | z_l, y)."""
    head = suited(below)

    def build(read: Field) -> nn.Module:
        return links.decoder(read.shape, head.param_shape, None, lambda mean: mean)

    return Conditional(reading(given, Vectors, build), head)
