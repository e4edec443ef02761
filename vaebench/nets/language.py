"""Recurrent nets over tokens: one that reads a sentence, one that tells its next token."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from vaebench.data.spec import PAD, UNK
from vaebench.nets.precision import Multiplies, unrolled

Cell = Literal["lstm", "gru"]
Condition = Literal["initial", "every_step", "both"]
RNNS: dict[Cell, type[nn.LSTM] | type[nn.GRU]] = {"lstm": nn.LSTM, "gru": nn.GRU}

State = tuple[Any, Tensor]
"""Of the recurrent net, and what it is given beside each token, `[N, S]`."""


class SentenceReader(nn.Module):
    """Rows of tokens `[*, l]` → the state after the last token of each, `[*, hidden]`.

    Args:
        vocabulary: V.
        cell: of the recurrent net.
        embedding: width of a token's vector.
        hidden: width of the state.
    """

    def __init__(self, vocabulary: int, cell: Cell, embedding: int, hidden: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, embedding, padding_idx=PAD)
        self.rnn = RNNS[cell](embedding, hidden, batch_first=True)

    def forward(self, tokens: Tensor) -> Tensor:
        rows = tokens.reshape(-1, tokens.shape[-1])
        states, _ = unrolled(self.rnn, self.embed(rows))
        # What is read after the last token, padding, changes nothing before it.
        last = (rows != PAD).sum(1).sub(1).clamp(min=0).view(-1, 1, 1)
        found = states.gather(1, last.expand(-1, 1, states.shape[-1])).squeeze(1)
        return found.view(*tokens.shape[:-1], -1)


class LanguageModel(Multiplies):
    """p(x_t | x_{<t}, context), over N sentences at a time.

    Args:
        vocabulary: V, padding among it.
        cell: of the recurrent net.
        embedding: width of a token's vector.
        hidden: width of the state.
        condition: where the context enters: as the `initial` state, beside `every_step`'s token, or
            `both`.
        inputless: whether every token is read as unknown, so that none depends on another.

    Attributes:
        width: C, of a context.
    """

    def __init__(
        self,
        vocabulary: int,
        cell: Cell,
        embedding: int,
        hidden: int,
        condition: Condition,
        *,
        inputless: bool = False,
    ) -> None:
        super().__init__()
        self.hidden, self.cell, self.inputless = hidden, cell, inputless
        self.beside = 0 if condition == "initial" else hidden
        self.first = 0 if condition == "every_step" else hidden * (2 if cell == "lstm" else 1)
        self.width = self.first + self.beside
        self.begun = vocabulary  # the number of a token that stands before all others
        self.embed = nn.Embedding(vocabulary + 1, embedding, padding_idx=PAD)
        self.rnn = RNNS[cell](embedding + self.beside, hidden, batch_first=True)
        self.emit = nn.Linear(hidden, vocabulary - 1)
        self.size = embedding + self.beside + 6 * hidden

    def states(self, tokens: Tensor, context: Tensor) -> Tensor:
        """What is known before each token: tokens before it `[N, l - 1]`, contexts `[N, C]` →
        `[N, l, hidden]`."""
        begun = torch.full((len(context), 1), self.begun, device=context.device)
        state, beside = self.begin(context)
        return self._run(torch.cat([begun, self._read(tokens)], 1), state, beside)[0]

    def begin(self, context: Tensor) -> State:
        """The state before the first token."""
        first, beside = context.split([self.first, self.beside], -1)
        if not self.first:
            first = context.new_zeros(len(context), self.hidden * (2 if self.cell == "lstm" else 1))
        parts = tuple(part.unsqueeze(0).contiguous() for part in first.split(self.hidden, -1))
        return (parts if self.cell == "lstm" else parts[0]), beside

    def advance(self, token: Tensor | None, state: State) -> tuple[Tensor, State]:
        """A token more of each sentence `[N]`, None before the first: what is known then."""
        inner, beside = state
        begun = torch.full((len(beside),), self.begun, device=beside.device)
        seen = begun if token is None else self._read(token)
        known, inner = self._run(seen.unsqueeze(1), inner, beside)
        return known.squeeze(1), (inner, beside)

    def select(self, state: State, rows: Tensor) -> State:
        """The state of some of the sentences."""
        inner, beside = state
        if isinstance(inner, tuple):
            return tuple(part[:, rows] for part in inner), beside[rows]
        return inner[:, rows], beside[rows]

    def _read(self, tokens: Tensor) -> Tensor:
        return torch.full_like(tokens, UNK) if self.inputless else tokens

    def _run(self, tokens: Tensor, state: Any, beside: Tensor) -> tuple[Tensor, Any]:
        given = self.embed(tokens)
        if self.beside:
            every = beside.unsqueeze(1).expand(-1, tokens.shape[1], -1)
            given = torch.cat([given, every], -1)
        # cuDNN differentiates its recurrent nets in training mode alone, and once.
        with torch.backends.cudnn.flags(enabled=self.training or not torch.is_grad_enabled()):
            found: tuple[Tensor, Any] = self.multiplied(partial(unrolled, self.rnn), given, state)
            return found

    def logits(self, known: Tensor) -> Tensor:
        """Of each token but padding, from what is known before it: `[*, hidden]` → `[*, V - 1]`."""
        found: Tensor = self.multiplied(self.emit, known)
        return found
