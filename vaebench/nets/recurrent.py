"""Nets that keep a state."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vaebench.nets.join import side_by_side

State = tuple[Tensor, Tensor]


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
