"""Nets that keep a state."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaebench.nets.join import side_by_side
from vaebench.nets.precision import Multiplies

State = tuple[Tensor, Tensor]


class LSTM(Multiplies):
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
        h, c = self._next(x, *before)
        return h.unflatten(0, lead), c.unflatten(0, lead)

    def _next(self, x: Tensor, h: Tensor, c: Tensor) -> State:
        if not self.lowers:
            found: State = self.cell(x, (h, c))
            return found
        # c is a sum over all steps: torch's cell would keep it in the precision of products.
        i, f, g, o = self.multiplied(self._gates, x, h).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c

    def _gates(self, x: Tensor, h: Tensor) -> Tensor:
        cell = self.cell
        return F.linear(x, cell.weight_ih, cell.bias_ih) + F.linear(h, cell.weight_hh, cell.bias_hh)
