"""What models are made of: fields of a batch, priors, decoders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from vaebench.data import Batch, Field, Spec, Support
from vaebench.distributions import Distribution
from vaebench.errors import Incompatible
from vaebench.heads import Conditional, ConditionalPrior, Head, Likelihood, PosteriorPrior, Prior
from vaebench.heads.sought import Sought
from vaebench.nets import Family
from vaebench.nets.join import Fields, Vectors, check_numbers, reading
from vaebench.suggest import override
from vaebench.trace import Trace

Observed = str | list[str]
"""A name of the batch, or several."""

PriorOf = Callable[..., Prior]
"""A class of priors with its options."""


def observed_field(spec: Spec, name: str) -> Field:
    """The field of what a model generates.

    Raises:
        Incompatible: the data have no such name.
    """
    return observed_fields(spec, name)[name]


def observed_fields(spec: Spec, names: Observed) -> dict[str, Field]:
    """The fields of what a model generates, by name.

    Raises:
        Incompatible: there are none, one twice, or the data have no such name.
    """
    chosen = [names] if isinstance(names, str) else list(names)
    if not chosen or len({*chosen}) < len(chosen):
        why = (
            "this model generates nothing." if not chosen else "this model generates a name twice."
        )
        rest = [*dict.fromkeys(chosen)] or [*spec.fields][:1]
        raise Incompatible(why, "model", options=(override("model.observed", rest),))
    for name in chosen:
        if name not in spec.fields:
            held = ", ".join(spec.fields)
            likely = [n for n, field in spec.fields.items() if field.support is not Support.LABEL]
            raise Incompatible(
                f"this model generates {name}, and the data hold {held}.",
                "model",
                options=tuple(override("model.observed", other) for other in likely),
            )
    return {name: spec[name] for name in chosen}


def condition_fields(spec: Spec, names: Sequence[str], observed: Fields) -> dict[str, Field]:
    """The fields of what a model is conditioned on, by name.

    Raises:
        Incompatible: one is generated too, or twice there, or the data have no such name.
    """
    known = [name for name in dict.fromkeys(names) if name in spec.fields and name not in observed]
    for name in names:
        why = ""
        if name not in spec.fields:
            held = ", ".join(spec.fields)
            why = f"this model is conditioned on {name}, and the data hold {held}."
        elif name in observed:
            why = f"this model is conditioned on {name}, which it generates."
        elif list(names).count(name) > 1:
            why = f"this model is conditioned on {name} twice."
        if why:
            raise Incompatible(why, "model", options=(override("model.conditions", known),))
    return {name: spec[name] for name in names}


def prior_of(
    make: PriorOf,
    latent: Field,
    *,
    posterior: Callable[[Tensor], Distribution],
    read: Fields,
    conditions: Fields,
) -> Prior:
    """A prior of any kind.

    Args:
        make: its class, with its options.
        latent: the field of z.
        posterior: what q(z | ·) is, for priors that are made of it.
        read: the fields that q reads.
        conditions: those of them that p knows too.

    Raises:
        Incompatible: it is of conditions that there are not, or of q(z | x) where q reads more.
    """
    kind = make.func if isinstance(make, partial) else make
    if isinstance(kind, type) and issubclass(kind, PosteriorPrior):
        if len(read) > 1:
            why = f"this prior is made of q(z | x), and in this model q reads {', '.join(read)}."
            raise Incompatible(why, "prior")
        return make(latent, posterior, *read.values())
    if isinstance(kind, type) and issubclass(kind, ConditionalPrior):
        if not conditions:
            why = "this prior is p(z | y) of conditions y, and this model has none."
            raise Incompatible(why, "prior", "model")
        return make(latent, conditions)
    return make(latent)


def code(width: int) -> Field:
    """A latent of so many numbers, before a posterior says what they are.

    Raises:
        Incompatible: it has none.
    """
    if width < 1:
        raise Incompatible(f"model.latent_dim={width}: at least 1")
    return Field((width,))


def encoders(nets: Family, fields: Mapping[str, Field], heads: Mapping[str, Head]) -> nn.ModuleDict:
    """A density of its own given each field alone, `*shape` → the head's."""
    return nn.ModuleDict(
        {
            name: Conditional(nets.encoder({name: field}, heads[name].param_shape), heads[name])
            for name, field in fields.items()
        }
    )


def amortised(head: Head) -> Head:
    """A posterior head, for models that infer by nets alone.

    Raises:
        Incompatible: its parameters are sought for each example.
    """
    if isinstance(head, Sought):
        raise Incompatible(
            "this model infers by a net, and this posterior seeks parameters of each example.",
            "posterior",
            "model",
        )
    return head


def no_density(why: str, x: Tensor) -> Distribution:
    """In the place of q(z | x), for priors that are made of it."""
    raise Incompatible(
        f"this prior is made of q(z | x), which this model has no density of: {why}.", "prior"
    )


def decoders(
    nets: Family, given: Fields, heads: Mapping[str, Likelihood], observed: Fields
) -> nn.Module:
    """p(x | given) of each observed field: a `Conditional`, or one for each of several in a list.

    Args:
        nets: family of the decoders.
        given: what each reads, in this order.
        heads: of the observed fields, by name.
        observed: the fields.
    """
    check_numbers(given, "model", ("model.conditions=[]",))

    def decoder(name: str) -> Conditional:
        head, mean = heads[name], observed[name].mean

        def build(read: Field) -> nn.Module:
            return nets.decoder(read.shape, head.param_shape, mean, head.params_for_mean)

        return Conditional(reading(given, Vectors, build), head)

    return one_or_list([decoder(name) for name in observed])


def one_or_list(parts: Sequence[nn.Module]) -> nn.Module:
    """The parts of what is observed: one stands by itself."""
    return parts[0] if len(parts) == 1 else nn.ModuleList(parts)


def listed(parts: Any) -> list[Any]:
    """The parts again."""
    return [*parts] if isinstance(parts, nn.ModuleList | nn.ParameterList) else [parts]


def visit(p: Trace, names: Iterable[str], densities: nn.Module, *contexts: Tensor) -> None:
    """Each observed name that is wanted with its density, given the same contexts."""
    for name, density in zip(names, listed(densities), strict=True):
        if p.shows(name):
            p(name, density(*contexts))


def values(batch: Batch, names: Iterable[str]) -> list[Tensor]:
    """Of some names, in their order."""
    return [batch[name] for name in names]


def check_entrywise(likelihood: Likelihood, x: Field) -> None:
    """For models that make the parameters of each entry of x, `[*, *x.shape]`.

    Raises:
        Incompatible: the likelihood has others.
    """
    shape = likelihood.param_shape
    if not x.shape or shape[len(shape) - len(x.shape) :] != x.shape:
        raise Incompatible(
            "this model makes parameters of each pixel, and this likelihood has others.",
            "model",
            "likelihood",
        )
