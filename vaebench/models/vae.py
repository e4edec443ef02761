"""The variational autoencoder: one latent vector, under conditions or none."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor

from vaebench.data import Batch, Field, Spec
from vaebench.distributions.base import Shared
from vaebench.errors import Incompatible
from vaebench.heads import Conditional, Head, Likelihood, latent_field
from vaebench.heads.sought import FreeForm, Sought, Table
from vaebench.models.base import RecognitionFirst, Refine, unrefined
from vaebench.models.parts import (
    Observed,
    PriorOf,
    code,
    condition_fields,
    decoders,
    no_density,
    observed_fields,
    prior_of,
    values,
    visit,
)
from vaebench.nets import Family
from vaebench.trace import Evidence, Trace

NO_DENSITY = "its parameters are sought for each example"


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
        x = observed_fields(spec, observed)
        y = condition_fields(spec, conditions, x)
        self.observed, self.conditions = tuple(x), tuple(y)
        made, heads = posterior(code(latent_dim)), {n: likelihood(f) for n, f in x.items()}
        self.sought = made if isinstance(made, Sought) else None
        q = made if self.sought is None else self.sought.head
        z = latent_field(latent_dim, q)
        self.seeks = self.sought is not None
        self.numbered = isinstance(made, FreeForm)
        table = made.table(spec.size) if isinstance(made, FreeForm) else None
        net = table or nets.encoder(x | y, q.param_shape)
        self.posterior = Conditional(net, q)
        of_x = self.posterior if self.sought is None else partial(no_density, NO_DENSITY)
        self.prior = prior_of(prior, z, posterior=of_x, read=x | y, conditions=y)
        self.likelihood = decoders(nets, {"z": z} | y, heads, x)
        self.refine = refine({"z": z}, x | y)

    def recognise(self, q: Trace, batch: Batch) -> None:
        read = values(batch, self.observed + self.conditions)
        if self.sought is None:
            q("z", self.posterior(*read))
        elif self.numbered and "index" in batch:
            q("z", self.posterior(batch["index"]))
        else:
            q("z", self.posterior.head(self._found(self.sought, batch, read)))

    def _found(self, sought: Sought, batch: Batch, read: Sequence[Tensor]) -> Tensor:
        """Parameters of examples that have no row of a table, `[B, *param_shape]`."""
        net = self.posterior.net
        if isinstance(net, Table) and self.training:
            raise Incompatible(
                "this posterior learns of training examples alone, and this objective asks it for "
                "others.",
                "posterior",
                "objective",
            )
        if isinstance(net, Table):
            start = net.middle(len(read[0]))
        else:
            start = self.posterior.multiplied(net, *read)
        return sought.seek(start, partial(self._bound, batch))

    def _bound(self, batch: Batch, params: Tensor, noise: Shared) -> Tensor:
        """The ELBO of each example at these parameters of q, `[B]`."""
        q = Trace(*noise.lead, batch, noise=noise)
        q("z", self.posterior.head(params))
        seen = ChainMap(q.values, batch)  # type: ignore[arg-type]  # which nobody writes to
        p = Trace(*noise.lead, seen, noise=noise)
        self.generate(p, batch)
        return Evidence(p, q, ("z",)).elbo

    def generate(self, p: Trace, batch: Batch) -> None:
        z = p("z", self.prior.of(batch))
        visit(p, self.observed, self.likelihood, z, *values(batch, self.conditions))
