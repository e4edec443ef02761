"""Products in another precision than sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._pytree import tree_map


class Multiplies(nn.Module):
    """A module with nets whose products may be of another precision while it trains.

    Attributes:
        precision: of those products. What the nets give, and with it every density and sum, is in
            torch's default precision: a likelihood summed in bfloat16 is off by a nat.
    """

    precision: torch.dtype = torch.float32

    @property
    def lowers(self) -> bool:
        """Whether products are of another precision now."""
        return self.training and self.precision is not torch.float32

    def multiplied(self, net: Callable[..., Any], *given: Any) -> Any:
        """What a net says of tensors, the first argument one of them."""
        if not self.lowers:
            return net(*given)
        with torch.autocast(given[0].device.type, self.precision):
            return in_precision(torch.get_default_dtype(), net(*given))


def in_precision(dtype: torch.dtype, tree: Any) -> Any:
    """All numbers of a tree of tensors in a precision."""
    return tree_map(lambda x: x.to(dtype) if isinstance(x, Tensor) else x, tree)


def unrolled(rnn: nn.RNNBase, given: Tensor, state: Any = None) -> tuple[Tensor, Any]:
    """A recurrent net's states `[N, l, hidden]` and its last, of inputs `[N, l, D]`."""
    if not (isinstance(rnn, nn.GRU) and given.is_cpu and torch.is_autocast_enabled("cpu")):
        return rnn(given, state)
    # Of all recurrent nets torch leaves only this one in float32, on CPUs alone.
    given, state, weights = in_precision(
        torch.get_autocast_dtype("cpu"), (given, state, dict(rnn.named_parameters()))
    )
    found: tuple[Tensor, Any] = functional_call(rnn, weights, (given, state))
    return found
