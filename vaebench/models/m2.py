"""A class and a style: the generative semi-supervised model, M2."""

from __future__ import annotations

from collections.abc import Callable

from vaebench.data import Batch, Field, Spec, Support
from vaebench.errors import Incompatible
from vaebench.heads import Conditional, Head, Likelihood, latent_field
from vaebench.heads.posteriors import suited
from vaebench.models.base import RecognitionFirst
from vaebench.models.parts import (
    Observed,
    PriorOf,
    code,
    decoders,
    observed_fields,
    prior_of,
    values,
    visit,
)
from vaebench.nets import Family
from vaebench.trace import Trace


class M2(RecognitionFirst):
    """q(c | x) q(z | x, c) against p(c) p(z) p(x | z, c): a class c, one of C, and a style z.

    The class is a latent whatever the data hold: which label it stands for is the objective's
    matter. Without one it is a cluster. The prior of z may be p(z | c), which makes a mixture of it.

    Args:
        spec: names and shapes of a batch, and N.
        classes: C ≥ 2.
        latent_dim: D, width of z; of bits or one-hot variables, how many there are.
        nets: family of the encoders and the decoder.
        class_prior: `Field` of c → p(c).
        posterior: `Field` of z → head of q(z | x, c).
        prior: `Field` of z → p(z), or p(z | c).
        likelihood: `Field` of x → head of p(x | z, c).
        observed: which names of the batch are x.

    References:
        Semi-supervised Learning with Deep Generative Models (Kingma, Rezende, Mohamed, Welling
        2014), https://arxiv.org/abs/1406.5298
    """

    def __init__(
        self,
        spec: Spec,
        *,
        classes: int,
        latent_dim: int,
        nets: Family,
        class_prior: PriorOf,
        posterior: Callable[[Field], Head],
        prior: PriorOf,
        likelihood: Callable[[Field], Likelihood],
        observed: Observed = "x",
    ) -> None:
        super().__init__()
        for name, number, least in (("classes", classes, 2), ("latent_dim", latent_dim, 1)):
            if number < least:
                raise Incompatible(f"model.{name}={number}: at least {least}")
        x = observed_fields(spec, observed)
        c = {"c": Field((classes,), Support.ONE_HOT, classes)}
        self.observed = tuple(x)
        q_c, q_z = suited(c["c"]), posterior(code(latent_dim))
        heads, z = {n: likelihood(f) for n, f in x.items()}, latent_field(latent_dim, q_z)
        self.classifier = Conditional(nets.encoder(x, q_c.param_shape), q_c)
        self.posterior = Conditional(nets.encoder(x | c, q_z.param_shape), q_z)
        self.class_prior = class_prior(c["c"])
        self.prior = prior_of(prior, z, posterior=self.posterior, read=x | c, conditions=c)
        self.likelihood = decoders(nets, {"z": z} | c, heads, x)

    def recognise(self, q: Trace, batch: Batch) -> None:
        x = values(batch, self.observed)
        c = q("c", self.classifier(*x))
        q("z", self.posterior(*x, c))

    def generate(self, p: Trace, batch: Batch) -> None:
        c = p("c", self.class_prior())
        z = p("z", self.prior.of({"c": c}))
        visit(p, self.observed, self.likelihood, z, c)
