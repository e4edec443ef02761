"""Hierarchies of latents: deep latent Gaussian models, sigmoid belief nets."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn

from vaebench.data import Batch, Field, Spec, Support
from vaebench.distributions import Distribution
from vaebench.errors import Incompatible
from vaebench.heads import Conditional, Head, Likelihood, Prior, latent_field
from vaebench.heads.posteriors import Bits, Categorical, Gaussian
from vaebench.models.base import RecognitionFirst, Refine, observed_field, unrefined
from vaebench.nets import Family
from vaebench.trace import Trace


class Hierarchical(RecognitionFirst):
    """q(z_1 | x) Π_l q(z_l | z_{l-1}), bottom-up, against p(z_L) Π_l p(z_{l-1} | z_l) p(x | z_1),
    top-down.

    p(z_{l-1} | z_l) is a diagonal Gaussian, or independent bits or classes where q infers those.

    Args:
        spec: names and shapes of a batch, and N.
        layers: widths of z_1, …, z_L, in variables; z_1 is next to the data.
        nets: family of the nets between x and z_1.
        links: family of the nets between latents.
        posterior: `Field` of a latent → head of its q.
        prior: fields of z_L and x → p(z_L).
        likelihood: `Field` of x → head of p(x | z_1).
        observed: which name of the batch is x.
        refine: fields of latents and x by name → what moves q's samples.
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
        prior: Callable[[Field, Field], Prior],
        likelihood: Callable[[Field], Likelihood],
        observed: str = "x",
        refine: Callable[[dict[str, Field], dict[str, Field]], Refine | None] = unrefined,
        helmholtz: bool = False,
    ) -> None:
        super().__init__()
        if not layers or min(layers) < 1:
            raise Incompatible(f"model.layers={layers}: at least one layer, each at least 1 wide")
        x, self.observed = observed_field(spec, observed), observed
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
            [Conditional(nets.encoder(x, heads[0].param_shape), heads[0])]
        )
        self.links = nn.ModuleList()
        for (below, above), head in zip(pairwise(fields), heads[1:], strict=True):
            self.posterior.append(Conditional(links.encoder(below, head.param_shape), head))
            self.links.append(_link(links, above, below))
        self.prior = prior(fields[-1], x)
        p = likelihood(x)
        decoder = nets.decoder(fields[0].shape, p.param_shape, x.mean, p.params_for_mean)
        self.likelihood = Conditional(decoder, p)
        self.refine = refine(dict(zip(self.names, fields, strict=True)), {observed: x})

    def recognise(self, q: Trace, batch: Batch) -> None:
        below = batch[self.observed]
        for name, conditional in zip(self.names, self.posterior, strict=True):
            below = q(name, conditional(below))

    def generate(self, p: Trace, batch: Batch) -> None:
        names = self.names[::-1]
        z = p(names[0], self.prior(self._of_pseudo_inputs))
        for name, link in zip(names[1:], reversed(self.links), strict=True):
            z = p(name, link(z))
        p(self.observed, self.likelihood(z))

    def _of_pseudo_inputs(self, x: Tensor) -> Distribution:
        """q(z_L | x), for priors that are made of it."""
        if len(self.names) == 1:
            return self.posterior[0](x)
        raise Incompatible(
            "this prior is made of q(z | x), which this model has no density of: its "
            f"{self.names[-1]} depends on a draw of {self.names[0]}.",
            "prior",
        )


def _link(links: Family, above: Field, below: Field) -> Conditional:
    """p(z_{l-1} | z_l)."""
    head = conditional(below)
    net = links.decoder(above.shape, head.param_shape, None, lambda mean: mean)
    return Conditional(net, head)


def conditional(latent: Field) -> Head:
    """The head of p(z_{l-1} | z_l)."""
    if latent.support is Support.ONE_HOT:
        variables = Field((latent.numel // latent.levels,))
        return Categorical(variables, classes=latent.levels)
    return Bits(latent) if latent.support is Support.BINARY else Gaussian(latent)
