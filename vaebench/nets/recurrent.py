"""Nets that keep a state."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from vaebench.nets.join import side_by_side

State = tuple[Tensor, Tensor]
Cell = nn.LSTM | nn.GRU


@cache
def trains_in_bfloat16(cell: type[Cell]) -> bool:
    """Whether this machine's CPU does; one without AVX-512 or the like has no such products for it."""
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        net = cell(8, 8, dtype=torch.float32)
        try:
            with torch.autocast("cpu", torch.bfloat16):
                states, _ = net(torch.zeros(2, 2, 8, dtype=torch.float32))
            states.sum().backward()
        except RuntimeError:
            return False
    return True


def lacks_bfloat16(cell: Cell, device: torch.device) -> bool:
    """Whether a recurrent net stays in float32 where others are to be in bfloat16."""
    return device.type == "cpu" and not trains_in_bfloat16(type(cell))  # type: ignore[arg-type] # classes are hashable


def states_of(cell: Cell, given: Tensor) -> Tensor:
    """All states of a recurrent net that reads `[N, l, *]`: `[N, l, hidden]`."""
    if not (torch.is_autocast_enabled(given.device.type) and lacks_bfloat16(cell, given.device)):
        return cell(given)[0]
    with torch.autocast(given.device.type, enabled=False):
        return cell(given.to(cell.all_weights[0][0].dtype))[0]


class LSTM(nn.Module):
    """One step of long short-term memory at a time, from a learned initial state.

    Args:
        inputs: width of what a step is given.
        hidden: width of h and of c.

    References:
        Long Short-Term Memory (Hochreiter, Schmidhuber 1997); with a forget gate that starts open
        (Gers, Schmidhuber, Cummins 2000; Jozefowicz, Zaremba, Sutskever 2015)
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(inputs, hidden)
        self.first = nn.Parameter(torch.zeros(2, hidden))
        for weights in (self.cell.weight_ih, self.cell.weight_hh):
            for gate in weights.chunk(4):
                nn.init.xavier_uniform_(gate)
        with torch.no_grad():
            for bias in (self.cell.bias_ih, self.cell.bias_hh):
                bias.zero_()
            self.cell.bias_ih[hidden : 2 * hidden] = 1

    @property
    def start(self) -> State:
        """h_0 and c_0, `[hidden]` each."""
        h, c = self.first.unbind()
        return h, c

    def forward(self, given: tuple[Tensor, ...], state: State) -> State:
        """What it is given, side by side, `[*, width]` each, and the state before → the next."""
        joined = side_by_side(given)
        lead, x = joined.shape[:-1], joined.flatten(0, -2)
        before = (s.expand(*lead, -1).reshape(-1, s.shape[-1]) for s in state)
        h, c = self.cell(x, tuple(before))
        return h.unflatten(0, lead), c.unflatten(0, lead)
