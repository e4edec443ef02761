"""Nets that keep a state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaebench.nets.precision import Multiplies

State = tuple[Tensor, Tensor]


class LSTM(Multiplies):
    """One step of long short-term memory at a time, from a learned initial state.

    Args:
        inputs: widths of what a step is given, one after the other.
        hidden: width of h and of c.

    References:
        Long Short-Term Memory (Hochreiter, Schmidhuber 1997); with a forget gate that starts open
        (Gers, Schmidhuber, Cummins 2000; Jozefowicz, Zaremba, Sutskever 2015)
    """

    def __init__(self, inputs: Sequence[int], hidden: int) -> None:
        super().__init__()
        self.inputs = tuple(inputs)
        self.cell = nn.LSTMCell(sum(inputs), hidden)
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

    def begin(self) -> Steps:
        """What takes the steps of one sequence."""
        return Steps(self)


class Steps:
    """The steps of one sequence. No product is computed twice: what a step is given again, the same
    tensor, keeps its product with the weights; and what all examples share, as the initial state, is
    multiplied once for all of them.
    """

    def __init__(self, lstm: LSTM) -> None:
        cell = lstm.cell
        self.multiplied = lstm.multiplied
        self.bias = cell.bias_ih + cell.bias_hh
        self.recurrent = cell.weight_hh
        # Split once: each view of the weights would bring a whole gradient of its own.
        self.columns = cell.weight_ih.split(lstm.inputs, 1)
        self.known: list[tuple[Tensor | None, Tensor]] = [(None, self.bias)] * len(self.columns)

    def __call__(self, given: Iterable[Tensor], state: State) -> State:
        """What it is given, `[*, width]` each, and the state before → the next, `[*, hidden]` each;
        leading dimensions broadcast."""
        h, c = state
        gates = self.multiplied(F.linear, h, self.recurrent, self.bias)
        for i, x in enumerate(given):
            gates = gates + self._product(i, x)
        i, f, g, o = gates.chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c

    def _product(self, i: int, x: Tensor) -> Tensor:
        before, product = self.known[i]
        if before is not x:
            product = self.multiplied(F.linear, x, self.columns[i])
            self.known[i] = x, product
        return product
