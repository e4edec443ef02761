"""The variational autoencoder: one latent vector."""

from __future__ import annotations

from collections.abc import Callable

from vaebench.data import Batch, Field, Spec
from vaebench.errors import Incompatible
from vaebench.heads import Conditional, Head, Likelihood, Prior, latent_field
from vaebench.models.base import RecognitionFirst, Refine, observed_field, unrefined
from vaebench.nets import Family
from vaebench.trace import Trace


class VAE(RecognitionFirst):
    """q(z | x) against p(z) p(x | z).

    Args:
        spec: names and shapes of a batch, and N.
        latent_dim: D, width of z; of one-hot variables, how many there are.
        nets: family of the encoder and decoder.
        posterior: `Field` of z → head of q(z | x).
        prior: fields of z and x → p(z).
        likelihood: `Field` of x → head of p(x | z).
        observed: which name of the batch is x.
        refine: fields of z and x by name → what moves q's samples.

    References:
        Auto-Encoding Variational Bayes (Kingma, Welling 2014), https://arxiv.org/abs/1312.6114
    """

    def __init__(
        self,
        spec: Spec,
        *,
        latent_dim: int,
        nets: Family,
        posterior: Callable[[Field], Head],
        prior: Callable[[Field, Field], Prior],
        likelihood: Callable[[Field], Likelihood],
        observed: str = "x",
        refine: Callable[[dict[str, Field], dict[str, Field]], Refine | None] = unrefined,
    ) -> None:
        super().__init__()
        if latent_dim < 1:
            raise Incompatible(f"model.latent_dim={latent_dim}: at least 1")
        x, self.observed = observed_field(spec, observed), observed
        q, p = posterior(Field((latent_dim,))), likelihood(x)
        z = latent_field(latent_dim, q)
        self.posterior = Conditional(nets.encoder(x, q.param_shape), q)
        self.prior = prior(z, x)
        decoder = nets.decoder(z.shape, p.param_shape, x.mean, p.params_for_mean)
        self.likelihood = Conditional(decoder, p)
        self.refine = refine({"z": z}, {observed: x})

    def recognise(self, q: Trace, batch: Batch) -> None:
        q("z", self.posterior(batch[self.observed]))

    def generate(self, p: Trace, batch: Batch) -> None:
        z = p("z", self.prior(self.posterior))
        p(self.observed, self.likelihood(z))
