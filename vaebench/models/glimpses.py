"""Classifiers that look at an image through a few glimpses, one after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from vaebench.data import Batch, Field, Spec
from vaebench.distributions import DiagNormal, Distribution, OneHot, Pathless
from vaebench.errors import Incompatible
from vaebench.heads import Conditional, Likelihood
from vaebench.models.base import Interleaved, RecognitionFirst
from vaebench.models.parts import condition_fields, observed_field
from vaebench.nets.attention import Reader, Window
from vaebench.nets.join import check_numbers
from vaebench.nets.recurrent import LSTM
from vaebench.nets.retina import Retina
from vaebench.suggest import override
from vaebench.trace import Trace

Where = Literal["learned", "centre"]


class DRAWClassifier(RecognitionFirst):
    """DRAW's reader in a classifier: for t = 1, …, G

        r_t = read(x, h_{t-1}),  h_t = LSTM(h_{t-1}, r_t)

    and y ~ p(y | h_G). It has no latents, so that log p(y | x) is exact.

    Args:
        spec: names and shapes of a batch, and N.
        glimpses: G.
        hidden: width of the LSTM's state.
        read: filters on each side of the reading grid.
        where: whether the grid goes where the state says, or its centre stays in the middle of the
            image; how far it reaches and how sharply it sees are learned in either case.
        likelihood: `Field` of y → head of p(y | h_G).
        observed: which name of the batch is y.
        conditions: which is x, one image.

    References:
        DRAW: A Recurrent Neural Network For Image Generation (Gregor, Danihelka, Graves, Jimenez
        Rezende, Wierstra 2015), section 4.1, https://arxiv.org/abs/1502.04623
    """

    def __init__(
        self,
        spec: Spec,
        *,
        glimpses: int,
        hidden: int,
        read: int,
        where: Where,
        likelihood: Callable[[Field], Likelihood],
        observed: str,
        conditions: Sequence[str],
    ) -> None:
        super().__init__()
        _check_least(glimpses=glimpses, hidden=hidden, read=read)
        self.observed, self.image = observed, _image_name(spec, observed, conditions)
        self.glimpses = glimpses
        self.read = Reader(hidden, spec[self.image].shape, 1, read, centred=where == "centre")
        self.lstm = LSTM(self.read.widths, hidden)
        self.likelihood = _told_by(hidden, likelihood(observed_field(spec, observed)))

    def recognise(self, q: Trace, batch: Batch) -> None:
        """There is nothing to infer."""

    def generate(self, p: Trace, batch: Batch) -> None:
        *_, (state, _) = self.steps(batch)
        p(self.observed, self.likelihood(state))

    def steps(self, batch: Batch) -> Iterator[tuple[Tensor, Window]]:
        """h_t `[*, hidden]` and where it read, t = 1, …, G."""
        image = self.read.prepare(batch[self.image])
        step, state = self.lstm.begin(), self.lstm.start
        for _ in range(self.glimpses):
            read, grid = self.read(state[0], image)
            state = step(read, state)
            assert grid is not None
            yield state[0], grid


class RAM(Interleaved):
    """Recurrent attention model, which draws where it looks: for t = 1, …, G

        l_t ~ p(l_t | h_{t-1}),  r_t = retina(x, l_t),  h_t = LSTM(h_{t-1}, [relu(A r_t), relu(B l_t)])

    and y ~ p(y | h_G). The places l_t are latents, which q draws of p's own density: then log w is
    log p(y | x, l), the ELBO its mean, and an importance-weighted bound tends to log p(y | x). What a
    place shows has no slope in it: its gradient is the score function's, or a sum over places.

    Args:
        spec: names and shapes of a batch, and N.
        glimpses: G.
        hidden: width of the LSTM's state, and of what it is told of r_t and of l_t.
        read: pixels on each side of a crop.
        scales: crops at each place, each twice as wide as the one before.
        sd: σ of l_t ~ N(tanh(C h_{t-1}), σ² I), where 2 is the length of the image.
        grid: places on each side of a grid of which l_t is one; 0: l_t is anywhere.
        likelihood: `Field` of y → head of p(y | h_G).
        observed: which name of the batch is y.
        conditions: which is x, one image.

    References:
        Recurrent Models of Visual Attention (Mnih, Heess, Graves, Kavukcuoglu 2014),
        https://arxiv.org/abs/1406.6247
        Multiple Object Recognition with Visual Attention (Ba, Mnih, Kavukcuoglu 2015), for the bound,
        https://arxiv.org/abs/1412.7755
    """

    q_is_prior = True
    places: Tensor

    def __init__(
        self,
        spec: Spec,
        *,
        glimpses: int,
        hidden: int,
        read: int,
        scales: int,
        sd: float,
        grid: int,
        likelihood: Callable[[Field], Likelihood],
        observed: str,
        conditions: Sequence[str],
    ) -> None:
        super().__init__()
        _check_least(glimpses=glimpses, hidden=hidden, read=read, scales=scales)
        if grid < 0 or grid == 1:
            raise Incompatible(f"model.grid={grid}: 0 for places anywhere, or at least 2")
        if not 0 < sd < math.inf:
            raise Incompatible(f"model.sd={sd}: must be positive and finite")
        self.observed, self.image = observed, _image_name(spec, observed, conditions)
        self.names = [f"l{t + 1}" for t in range(glimpses)]
        channels, *size = spec[self.image].shape
        self.log_sd, self.grid = math.log(sd), grid
        self.retina = Retina(read, scales, tuple(size))
        self.what = nn.Linear(channels * scales * read**2, hidden)
        self.where = nn.Linear(2, hidden)
        self.next = nn.Linear(hidden, grid**2 or 2)
        self.lstm = LSTM([hidden, hidden], hidden)
        self.likelihood = _told_by(hidden, likelihood(observed_field(spec, observed)))
        middles = (2 * torch.arange(grid) + 1) / max(1, grid) - 1
        places = torch.cartesian_prod(middles, middles).flip(-1)  # row by row, as (x, y)
        self.register_buffer("places", places, persistent=False)

    def joint(self, p: Trace, q: Trace | None, batch: Batch, seen: Batch) -> None:
        *_, (state, _) = self.steps(p, q, batch)
        p(self.observed, self.likelihood(state))

    def steps(self, p: Trace, q: Trace | None, batch: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        """h_t `[*, hidden]` and l_t `[*, 2]`, t = 1, …, G."""
        image, step, state = batch[self.image], self.lstm.begin(), self.lstm.start
        every = self._seen(image.unsqueeze(1), self.places) if self.grid else image
        for name in self.names:
            density = self._density(state[0])
            if q is not None:
                q(name, density)
            drawn = p(name, density)
            if self.grid:  # one of all places, or what is between them where it is relaxed
                what, place = (drawn.unsqueeze(-2) @ every).squeeze(-2), drawn @ self.places
            else:
                what, place = self._seen(image, drawn), drawn
            state = step((self.what(what).relu(), self.where(place).relu()), state)
            yield state[0], place

    def _seen(self, images: Tensor, places: Tensor) -> Tensor:
        """What the retina shows, `[*, C · scales · N²]`."""
        return self.retina(images, places).flatten(-3)

    def _density(self, state: Tensor) -> Distribution:
        """p(l_t | h_{t-1})."""
        told = self.next(state)
        if self.grid:
            return OneHot(told.unsqueeze(-2))
        mean = told.tanh()
        return Pathless(DiagNormal(mean, torch.full_like(mean, self.log_sd)))


def _image_name(spec: Spec, observed: str, names: Sequence[str]) -> str:
    """The name of the image that a classifier looks at.

    Raises:
        Incompatible: its conditions are none, several or no image.
    """
    y = {observed: observed_field(spec, observed)}
    fields = condition_fields(spec, names, y)
    check_numbers(fields, "model")
    images = [
        name for name, field in spec.fields.items() if len(field.shape) == 3 and name not in y
    ]
    options = tuple(override("model.conditions", [name]) for name in images)
    if len(fields) != 1:
        told = ", ".join(fields) or "none"
        why = f"this model looks at one image, and its conditions are {told}."
        raise Incompatible(why, "model", options=options)
    ((name, field),) = fields.items()
    if len(field.shape) != 3:
        why = f"this model looks at images [C, H, W]; {name} has shape {list(field.shape)}."
        raise Incompatible(why, "model", options=options)
    return name


def _told_by(hidden: int, head: Likelihood) -> Conditional:
    """p(y | h): one linear layer."""
    emit = nn.Linear(hidden, math.prod(head.param_shape))
    return Conditional(nn.Sequential(emit, nn.Unflatten(-1, head.param_shape)), head)


def _check_least(**options: int) -> None:
    for name, value in options.items():
        if value < 1:
            raise Incompatible(f"model.{name}={value}: at least 1")
