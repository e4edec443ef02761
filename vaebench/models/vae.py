"""The variational autoencoder: one latent vector, under conditions or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vaebench.data import Batch, Field, Spec
from vaebench.errors import Incompatible
from vaebench.heads import Conditional, Head, Likelihood, latent_field
from vaebench.models.base import RecognitionFirst, Refine, unrefined
from vaebench.models.parts import (
    Observed,
    PriorOf,
    condition_fields,
    decoders,
    observed_fields,
    prior_of,
    values,
    visit,
)
from vaebench.nets import Family
from vaebench.trace import Trace


class VAE(RecognitionFirst):
    """q(z | x) against p(z) p(x | z), or q(z | x, y) against p(z) p(x | z, y) under conditions y.

    Several observed names are independent given z and y, each with a decoder and a likelihood of
    its own. The prior may be p(z | y).

    Args:
        spec: names and shapes of a batch, and N.
        latent_dim: D, width of z; of one-hot variables, how many there are.
        nets: family of the encoder and decoder.
        posterior: `Field` of z → head of q(z | x).
        prior: `Field` of z → p(z).
        likelihood: `Field` of x → head of p(x | z).
        observed: which names of the batch are x.
        conditions: which are y.
        refine: fields of z, and of x and y, by name → what moves q's samples.

    References:
        Auto-Encoding Variational Bayes (Kingma, Welling 2014), https://arxiv.org/abs/1312.6114
        Learning Structured Output Representation using Deep Conditional Generative Models (Sohn,
        Lee, Yan 2015), for conditions
    """

    def __init__(
        self,
        spec: Spec,
        *,
        latent_dim: int,
        nets: Family,
        posterior: Callable[[Field], Head],
        prior: PriorOf,
        likelihood: Callable[[Field], Likelihood],
        observed: Observed = "x",
        conditions: Sequence[str] = (),
        refine: Callable[[dict[str, Field], dict[str, Field]], Refine | None] = unrefined,
    ) -> None:
        super().__init__()
        if latent_dim < 1:
            raise Incompatible(f"model.latent_dim={latent_dim}: at least 1")
        x = observed_fields(spec, observed)
        y = condition_fields(spec, conditions, x)
        self.observed, self.conditions = tuple(x), tuple(y)
        q, heads = posterior(Field((latent_dim,))), {n: likelihood(f) for n, f in x.items()}
        z = latent_field(latent_dim, q)
        self.posterior = Conditional(nets.encoder(x | y, q.param_shape), q)
        self.prior = prior_of(prior, z, posterior=self.posterior, read=x | y, conditions=y)
        self.likelihood = decoders(nets, {"z": z} | y, heads, x)
        self.refine = refine({"z": z}, x | y)

    def recognise(self, q: Trace, batch: Batch) -> None:
        q("z", self.posterior(*values(batch, self.observed + self.conditions)))

    def generate(self, p: Trace, batch: Batch) -> None:
        z = p("z", self.prior.of(batch))
        visit(p, self.observed, self.likelihood, z, *values(batch, self.conditions))
