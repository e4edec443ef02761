"""Posteriors whose parameters are sought example by example, by ascent of the bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

from vaebench.data import Field
from vaebench.distributions import Distribution
from vaebench.distributions.base import Shared
from vaebench.errors import Incompatible
from vaebench.heads.base import Head

SPREAD = 0.1
"""Standard deviation of a table's numbers at first: flows whose parameters are all 0 learn nothing."""

Values = dict[str, Tensor]


def ascend(
    start: Mapping[str, Tensor],
    value: Callable[[Values], Tensor],
    *,
    steps: Iterable[int],
    count: int,
    lr: float,
) -> Values:
    """argmax of a value over tensors by name, by Adam, its step size falling to 0 along a half cosine.

    Args:
        start: where it begins.
        value: of the tensors; whatever is summed there is optimised apart.
        steps: to run through, so many.
        count: of the steps.
        lr: the first step size.
    """
    free = {name: tensor.detach().clone().requires_grad_() for name, tensor in start.items()}
    # A short memory of squared gradients: those of a start far off would hold every later step back.
    optimizer = torch.optim.Adam(list(free.values()), lr=lr, betas=(0.9, 0.95))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, count)
    with torch.enable_grad():
        for _ in steps:
            optimizer.zero_grad()
            gradients = torch.autograd.grad(-value(free), list(free.values()))
            for tensor, gradient in zip(free.values(), gradients, strict=True):
                tensor.grad = gradient
            optimizer.step()
            schedule.step()
    return {name: tensor.detach() for name, tensor in free.items()}


class Sought(Head):
    """A head of q whose parameters are sought for each example: from a start, `steps` of Adam on its
    bound, the model held fixed.

    What is drawn on the way is the same for all examples and calls, so that q(z | x) is a function of
    x, which has a density at any z and is chunked and replayed like any other.

    Args:
        latent: the field of z.
        head: of q's density.
        steps: of the ascent.
        samples: of z that each step averages over.
        lr: step size at first.
    """

    def __init__(
        self,
        latent: Field,
        *,
        head: Callable[[Field], Head],
        steps: int,
        samples: int,
        lr: float,
    ) -> None:
        super().__init__()
        for name, number in (("steps", steps), ("samples", samples), ("lr", lr)):
            if not number > 0:
                raise Incompatible(f"posterior.{name}={number}: must be positive")
        made = head(latent)
        self._head = (made,)  # the model's, which holds its parameters
        self.param_shape = made.param_shape
        self.steps, self.samples, self.lr = steps, samples, lr
        dist = made(torch.zeros(self.param_shape))
        if not (dist.has_density and dist.has_rsample):
            raise Incompatible(
                "this posterior is found along the slope of a bound, which "
                f"posterior.head={type(made).__name__} has none of.",
                options=("posterior.",),
            )

    @property
    def head(self) -> Head:
        """Of the density, once its parameters are found."""
        return self._head[0]

    def forward(self, params: Tensor) -> Distribution:
        raise Incompatible(
            "this posterior seeks its parameters example by example, and this model, in which "
            "recognition is not one density of one latent, asks an encoder for them.",
            "posterior",
            "model",
        )

    def seek(self, start: Tensor, bound: Callable[[Tensor, Shared], Tensor]) -> Tensor:
        """Parameters `[B, *param_shape]`, with the gradient of the start, as if all starts were moved
        by the same.

        Args:
            start: of the same shape.
            bound: parameters, and noise that examples share → the bound of each, `[B]`.
        """
        noise = Shared((self.samples, len(start)), start.device)
        found = ascend(
            {"q": start},
            lambda free: bound(free["q"], noise).sum(),
            steps=range(self.steps),
            count=self.steps,
            lr=self.lr,
        )
        return start + (found["q"] - start.detach())


class FreeForm(Sought):
    """Variational EM: the parameters of each training example's q are a row of a table, learned with
    the model's. Of any other example they are sought, from the mean of the rows.

    The one optimizer sees a gradient of 0 for rows that are not in the batch. Adam moves such a row on
    along its own last gradients for some ten steps, then it rests, and no row moves another. Its
    moments of squared gradients shrink while it rests: the fewer its visits, the longer its steps. A
    decay of weights would shrink resting rows too. Since an epoch brings a row one gradient and the model
    one of every batch, rows move by `rate` times the learning rate.

    Args:
        latent, head, steps, samples, lr: of every `Sought` q.
        rate: of the rows, in learning rates.

    References:
        An Introduction to Variational Methods for Graphical Models (Jordan, Ghahramani, Jaakkola, Saul
        1999)
        Stochastic Variational Inference (Hoffman, Blei, Wang, Paisley 2013), for parameters of each
        example beside those of all
    """

    def __init__(
        self,
        latent: Field,
        *,
        head: Callable[[Field], Head],
        steps: int,
        samples: int,
        lr: float,
        rate: float,
    ) -> None:
        super().__init__(latent, head=head, steps=steps, samples=samples, lr=lr)
        if not rate > 0:
            raise Incompatible(f"posterior.rate={rate}: must be positive")
        self.rate = rate

    def table(self, size: int) -> Table:
        """The rows of so many training examples."""
        return Table(size, self.param_shape, self.rate)


class SemiAmortised(Sought):
    """An encoder's parameters are where each example's own ascent starts, in training too.

    The decoder learns from where it ends, and so does the encoder, to first order: its gradient is
    that of the end, as if the ascent had moved every start by the same.

    References:
        Semi-Amortized Variational Autoencoders (Kim, Wiseman, Miller, Sontag, Rush 2018),
        https://arxiv.org/abs/1802.02550, who differentiate through the ascent
        Inference Suboptimality in Variational Autoencoders (Cremer, Li, Duvenaud 2018)
    """


class Table(nn.Module):
    """Numbers of examples 0, …, N - 1: `index` `[B]` → `[B, *shape]`.

    Args:
        size: N.
        shape: of the numbers of one.
        rate: by which they move, in learning rates: Adam's steps do not grow with a gradient.
    """

    def __init__(self, size: int, shape: tuple[int, ...], rate: float = 1.0) -> None:
        super().__init__()
        self.rate = rate
        self.rows = nn.Parameter(SPREAD / rate * torch.randn(size, *shape))

    def forward(self, index: Tensor) -> Tensor:
        return self.rate * self.rows[index]

    def middle(self, count: int) -> Tensor:
        """The mean row, so many times."""
        return self.rate * self.rows.mean(0).expand(count, *self.rows.shape[1:])
