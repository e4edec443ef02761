"""A canvas that is painted step by step, each step looking at what is still missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from vaebench.data import Batch, Field, Spec
from vaebench.errors import Incompatible
from vaebench.heads import Conditional, Head, Likelihood, latent_field
from vaebench.models.base import Interleaved, Refine, unrefined
from vaebench.models.parts import (
    PriorOf,
    check_entrywise,
    condition_fields,
    no_density,
    observed_field,
    prior_of,
)
from vaebench.nets.attention import Reader, Window, Writer, check_grid
from vaebench.nets.join import check_numbers, vector, width
from vaebench.nets.recurrent import LSTM
from vaebench.trace import Trace


@dataclass(frozen=True)
class Step:
    """What happened at one step.

    Attributes:
        canvas: c_t, parameters of the likelihood, `[*, *param_shape]`.
        read: where q looked; None: everywhere, or there is no q.
        written: where p wrote; None: everywhere.
    """

    canvas: Tensor
    read: Window | None
    written: Window | None


class DRAW(Interleaved):
    """Deep recurrent attentive writer. For t = 1, …, T:

        x̂_t = x - E[x | c_{t-1}],  r_t = read(x, x̂_t, h_{t-1}^dec)
        h_t^enc = LSTM^enc(h_{t-1}^enc, [r_t, h_{t-1}^dec]),  z_t ~ q(z_t | h_t^enc)
        h_t^dec = LSTM^dec(h_{t-1}^dec, z_t),  c_t = c_{t-1} + write(h_t^dec)

    Under conditions y both LSTMs are given y at each step, flattened and labels one-hot, and the
    prior may be p(z_t | y).

    In the end x ~ p(x | c_T), with p(z_t) the same prior for every t. The canvas holds parameters of the
    likelihood: logits of a Bernoulli, so that E[x | c] = sigmoid(c). c_0 and the LSTMs' initial
    states are learned; c_0 begins at the data's mean.

    Args:
        spec: names and shapes of a batch, and N.
        T: how many steps.
        latent_dim: width of each z_t.
        hidden: width of both LSTMs' states.
        attention: whether anything is read or written through a grid of filters.
        read: filters on each side of the reading grid; 0: all pixels are read.
        write: filters on each side of the writing grid; 0: all pixels are written.
        posterior: `Field` of z_t → head of q(z_t | h_t^enc).
        prior: `Field` of z_t → p(z_t).
        likelihood: `Field` of x → head of p(x | c_T).
        observed: which name of the batch is x.
        conditions: which are y.
        refine: fields of latents, and of x and y, by name → what moves q's samples.

    References:
        DRAW: A Recurrent Neural Network For Image Generation (Gregor, Danihelka, Graves, Jimenez
        Rezende, Wierstra 2015), https://arxiv.org/abs/1502.04623
    """

    def __init__(
        self,
        spec: Spec,
        *,
        T: int,
        latent_dim: int,
        hidden: int,
        attention: bool,
        read: int,
        write: int,
        posterior: Callable[[Field], Head],
        prior: PriorOf,
        likelihood: Callable[[Field], Likelihood],
        observed: str = "x",
        conditions: Sequence[str] = (),
        refine: Callable[[dict[str, Field], dict[str, Field]], Refine | None] = unrefined,
    ) -> None:
        super().__init__()
        for name, value in {"T": T, "latent_dim": latent_dim, "hidden": hidden}.items():
            if value < 1:
                raise Incompatible(f"model.{name}={value}: at least 1")
        x, self.observed = observed_field(spec, observed), observed
        y = condition_fields(spec, conditions, {observed: x})
        check_numbers(y, "model", ("model.conditions=[]",))
        self.conditions, told = y, [*map(width, y.values())]
        q, self.likelihood = posterior(Field((latent_dim,))), likelihood(x)
        canvas = _canvas(self.likelihood, x)
        _check_grids(attention, read, write, x)
        z = latent_field(latent_dim, q)
        self.names = [f"z{t + 1}" for t in range(T)]
        self.read = Reader(hidden, x.shape, 2, read)
        self.encode = LSTM([*self.read.widths, hidden, *told], hidden)
        emit = nn.Linear(hidden, math.prod(q.param_shape))
        self.posterior = Conditional(nn.Sequential(emit, nn.Unflatten(-1, q.param_shape)), q)
        why = "each of its steps depends on draws of those before"
        of = partial(no_density, why)
        self.prior = prior_of(prior, z, posterior=of, read={observed: x} | y, conditions=y)
        self.decode = LSTM([z.numel, *told], hidden)
        self.write = Writer(hidden, tuple(canvas.shape), write)
        self.canvas = nn.Parameter(canvas)
        self.refine = refine(dict.fromkeys(self.names, z), {observed: x} | y)

    def joint(self, p: Trace, q: Trace | None, batch: Batch, seen: Batch) -> None:
        *_, last = self.steps(p, q, batch, seen)
        p(self.observed, self.likelihood(last.canvas))

    def steps(self, p: Trace, q: Trace | None, batch: Batch, seen: Batch) -> Iterator[Step]:
        """Paints, one step at a time; without q from what p draws or is given."""
        prior, y = self.prior.of(batch), self._told(batch)
        canvas, looked = self.canvas, None
        encode, decode = self.encode.begin(), self.decode.begin()
        encoder, decoder = self.encode.start, self.decode.start
        if q is not None:
            x, told = self.read.prepare(seen[self.observed]), self._told(seen)
        for name in self.names:
            if q is not None:
                error = seen[self.observed] - self.likelihood.mean_for_params(canvas)
                glimpses, looked = self.read(decoder[0], x, self.read.prepare(error))
                encoder = encode((*glimpses, decoder[0], *told), encoder)
                q(name, self.posterior(encoder[0]))
            decoder = decode((p(name, prior), *y), decoder)
            stroke, written = self.write(decoder[0])
            canvas = canvas + stroke
            yield Step(canvas, looked, written)

    def _told(self, batch: Batch) -> list[Tensor]:
        """The conditions as vectors."""
        return [vector(batch[name], field) for name, field in self.conditions.items()]


def _check_grids(attention: bool, read: int, write: int, x: Field) -> None:
    for name, n in (("model.read", read), ("model.write", write)):
        check_grid(name, n)
        if n and not attention:
            raise Incompatible(
                f"{name}={n} with model.attention=false: there is no grid.",
                options=(f"{name}=0", "model.attention=true"),
            )
    if not attention:
        return
    if not read and not write:
        raise Incompatible(
            "model.attention=true with model.read=0 and model.write=0: there is no grid. Use "
            "model.attention=false."
        )
    if len(x.shape) != 3:
        raise Incompatible(
            "this model looks at images [C, H, W] through a grid of filters; the data have shape "
            f"{list(x.shape)}.",
            options=("model.attention=false",),
        )


def _canvas(likelihood: Likelihood, x: Field) -> Tensor:
    """c_0, parameters of the data's mean, `[*param_shape]`."""
    check_entrywise(likelihood, x)
    shape = likelihood.param_shape
    return torch.zeros(shape) if x.mean is None else likelihood.params_for_mean(x.mean).clone()
