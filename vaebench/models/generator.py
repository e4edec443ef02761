"""Generators of several images from what is known of them: one net makes them all."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from vaebench.data import Batch, Field, Spec
from vaebench.distributions import Distribution
from vaebench.errors import Incompatible
from vaebench.heads import Conditional, Head, Likelihood, latent_field
from vaebench.models.base import RecognitionFirst, Refine, unrefined
from vaebench.models.parts import (
    Observed,
    PriorOf,
    amortised,
    code,
    condition_fields,
    observed_fields,
    prior_of,
    values,
)
from vaebench.nets import Family
from vaebench.nets.join import Fields, Vectors, check_numbers, reading
from vaebench.nets.precision import Multiplies
from vaebench.trace import Trace


class Generator(RecognitionFirst):
    """q(z | c) against p(z) p(x_1, … | z, y) = p(z) Π_i p(x_i | z, y): what is shown, c, becomes a code,
    and one net makes the parameters of all x_i from it and from the conditions y.

    Where c is a class, q embeds it: all its images have one q, there is one code for how it looks from
    all sides, and codes between classes are of none. Where c is x_1, it is a conditional VAE with one
    decoder.

    Args:
        spec: names and shapes of a batch, and N.
        latent_dim: D, width of z.
        nets: family of the encoder and of the one decoder.
        posterior: `Field` of z → head of q(z | c).
        prior: `Field` of z → p(z).
        likelihood: `Field` of x_i → head of p(x_i | z, y).
        observed: which names of the batch are x_i: images of one height and width.
        embedded: which are c.
        conditions: which are y.
        refine: fields of z, and of c, y and x_i, by name → what moves q's samples.

    Raises:
        Incompatible: the images are not of one size, nothing is embedded, or what is is a condition.

    References:
        Learning to Generate Chairs, Tables and Cars with Convolutional Networks (Dosovitskiy,
        Springenberg, Tatarchenko, Brox 2017), https://arxiv.org/abs/1411.5928
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
        observed: Observed,
        embedded: Sequence[str],
        conditions: Sequence[str] = (),
        refine: Callable[[dict[str, Field], dict[str, Field]], Refine | None] = unrefined,
    ) -> None:
        super().__init__()
        x = observed_fields(spec, observed)
        y = condition_fields(spec, conditions, x)
        c = _embedded_fields(spec, embedded, y)
        self.observed, self.embedded, self.conditions = tuple(x), tuple(c), tuple(y)
        q = amortised(posterior(code(latent_dim)))
        z = latent_field(latent_dim, q)
        self.posterior = Conditional(nets.encoder(c, q.param_shape), q)
        self.prior = prior_of(prior, z, posterior=self.posterior, read=c, conditions=y)
        self.likelihood = Together(nets, {"z": z} | y, {n: likelihood(f) for n, f in x.items()}, x)
        self.refine = refine({"z": z}, c | y | x)

    def recognise(self, q: Trace, batch: Batch) -> None:
        q("z", self.posterior(*values(batch, self.embedded)))

    def generate(self, p: Trace, batch: Batch) -> None:
        z = p("z", self.prior.of(batch))
        for name, dist in self.likelihood(z, *values(batch, self.conditions)).items():
            p(name, dist)


class Together(Multiplies):
    """Densities of several images, the parameters of all of which are channels of one net's image.

    Args:
        nets: family of the net.
        given: fields of what it reads, in this order.
        heads: of the images, by name.
        observed: their fields.
    """

    def __init__(
        self, nets: Family, given: Fields, heads: Mapping[str, Likelihood], observed: Fields
    ) -> None:
        super().__init__()
        check_numbers(given, "model", ("model.conditions=[]",))
        shapes = {name: tuple(head.param_shape) for name, head in heads.items()}
        sizes = {shape[-2:] for shape in shapes.values()}
        if len(sizes) > 1 or not all(len(shape) > 2 for shape in shapes.values()):
            told = ", ".join(f"{list(observed[name].shape)} of {name}" for name in heads)
            raise Incompatible(
                f"this model makes images [C, H, W] of one height and width; the data are {told}.",
                "model",
                "dataset",
            )
        self.heads = nn.ModuleDict(heads)
        self.shapes, (self.size,) = shapes, sizes
        means = {name: observed[name].mean for name in heads}
        known = {name: mean for name, mean in means.items() if mean is not None}
        channels = {name: math.prod(shape[:-2]) for name, shape in shapes.items()}
        self.channels = [*channels.values()]
        read = [math.prod(field.shape[:-2]) for field in observed.values()]

        def params_for(mean: Tensor) -> Tensor:
            """Of the means of all images, one above the other."""
            parts = zip(heads.items(), mean.split(read), strict=True)
            made = [h.params_for_mean(m.view(observed[n].shape)) for (n, h), m in parts]
            return torch.cat([params.reshape(-1, *self.size) for params in made])

        whole = None
        if len(known) == len(means):
            whole = torch.cat([mean.reshape(-1, *self.size) for mean in known.values()])
        out = (sum(self.channels), *self.size)
        build = lambda field: nets.decoder(field.shape, out, whole, params_for)  # noqa: E731
        self.net = reading(given, Vectors, build)

    def forward(self, *contexts: Tensor) -> dict[str, Distribution]:
        """What is given `[*, *shape]` → a density of each image, by name."""
        params = self.multiplied(self.net, *contexts)
        parts = params.split(self.channels, -3)
        lead = params.shape[:-3]
        return {
            name: head(part.reshape(*lead, *self.shapes[name]))
            for (name, head), part in zip(self.heads.items(), parts, strict=True)
        }


def _embedded_fields(spec: Spec, names: Sequence[str], conditions: Fields) -> dict[str, Field]:
    """The fields of what is embedded, by name.

    Raises:
        Incompatible: there is none, one twice, no such name, or p reads it.
    """
    held = ", ".join(spec.fields)
    if not names or len({*names}) < len(names):
        raise Incompatible("this model embeds nothing, or a name twice.", "model")
    for name in names:
        if name not in spec.fields:
            raise Incompatible(
                f"this model embeds {name}, and the data hold {held}.", "model", "dataset"
            )
        if name in conditions:
            raise Incompatible(f"this model embeds {name}, on which it is conditioned.", "model")
    return {name: spec[name] for name in names}
