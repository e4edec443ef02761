"""Ways to get a sentence out of next-token distributions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from vaebench.data.spec import EOS, PAD
from vaebench.distributions.base import Noise
from vaebench.errors import Incompatible

State = Any


class Language(Protocol):
    """Next-token distributions given a context, over N sentences at a time.

    Token number v is the entry v - 1 of its `logits`: padding is never predicted.
    """

    size: int
    """Numbers kept for each token of a sentence that is scored."""

    training: bool
    """Whether it is being trained."""

    def states(self, tokens: Tensor, context: Tensor) -> Tensor:
        """What is known before each token: tokens before it `[N, l - 1]`, contexts `[N, C]` →
        `[N, l, H]`."""

    def begin(self, context: Tensor) -> State:
        """The state before the first token."""

    def advance(self, token: Tensor | None, state: State) -> tuple[Tensor, State]:
        """A token more of each sentence `[N]`, None before the first: what is known then `[N, H]`."""

    def select(self, state: State, rows: Tensor) -> State:
        """The state of some of the sentences."""

    def logits(self, known: Tensor) -> Tensor:
        """Logits of the next token, `[*, H]` → `[*, V - 1]`."""


Choose = Callable[[Tensor], Tensor]
"""Logits `[N, V - 1]` → an entry of each row `[N]`."""


@torch.no_grad()
def greedy(language: Language, context: Tensor, length: int) -> Tensor:
    """The likeliest next token again and again, contexts `[N, C]` → rows of tokens `[N, length]`."""
    return _unroll(language, context, length, lambda logits: logits.argmax(-1))


@torch.no_grad()
def ancestral(
    language: Language,
    context: Tensor,
    length: int,
    noise: Noise,
    *,
    temperature: float = 1.0,
    top_p: float = 1.0,
) -> Tensor:
    """Each token drawn given those before it, contexts `[N, C]` → rows of tokens `[N, length]`.

    Args:
        temperature: logits are divided by it; below 1 likely tokens become likelier.
        top_p: only the likeliest tokens are drawn that make up so much of the probability.

    References:
        The Curious Case of Neural Text Degeneration (Holtzman, Buys, Du, Forbes, Choi 2020)
    """
    check_draws(temperature, top_p)

    def choose(logits: Tensor) -> Tensor:
        logits = nucleus(logits / temperature, top_p)
        u = noise.uniform(logits.shape, logits).clamp_min(torch.finfo(logits.dtype).tiny)
        return (logits - (-u.log()).log()).argmax(-1)  # Gumbel: an exact draw

    return _unroll(language, context, length, choose)


def check_draws(temperature: float, top_p: float) -> None:
    """Refuses what draws cannot be made with."""
    if not temperature > 0:
        raise Incompatible(
            f"temperature={temperature}: must be positive. Use temperature=1 or beam=1."
        )
    if not 0 < top_p <= 1:
        raise Incompatible(f"top_p={top_p}: above 0, at most 1. Use top_p=1.")


def check_beam(width: int) -> None:
    """Refuses a beam of nothing."""
    if width < 1:
        raise Incompatible(f"beam={width}: at least 1. Use beam=1.")


def nucleus(logits: Tensor, top_p: float) -> Tensor:
    """Logits `[*, V]` with all but the likeliest that make up `top_p` at -∞; at least one stays."""
    if top_p >= 1:
        return logits
    ordered, place = logits.softmax(-1).sort(-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    out = torch.empty_like(before, dtype=torch.bool).scatter(-1, place, before >= top_p)
    return logits.masked_fill(out, -torch.inf)


def _unroll(language: Language, context: Tensor, length: int, choose: Choose) -> Tensor:
    """Tokens one after the other; a sentence that has not ended by itself ends at `length`."""
    state, token = language.begin(context), None
    rows = torch.full((len(context), length), EOS, device=context.device)
    over = torch.zeros(len(context), dtype=torch.bool, device=context.device)
    for t in range(length - 1):
        known, state = language.advance(token, state)
        token = choose(language.logits(known)) + 1
        rows[:, t] = token
        over = over | (token == EOS)
        if over.all():
            break
    return ended(rows)


@torch.no_grad()
def beam(language: Language, context: Tensor, length: int, width: int) -> Tensor:
    """The likeliest sentence of those that stay among the `width` best at each token.

    Contexts `[N, C]` → rows of tokens `[N, length]`. A sentence is weighed by its log p, its end
    included; one that has not ended by itself pays for an end at `length`. Width 1 is greedy.
    """
    check_beam(width)
    n, device = len(context), context.device
    state = language.begin(context.repeat_interleave(width, 0))
    rows = torch.full((n, width, length), PAD, device=device)
    # At first all beams are the same: only one of them counts.
    total = torch.full((n, width), -torch.inf, dtype=context.dtype, device=device)
    total[:, 0] = 0.0
    over = torch.zeros((n, width), dtype=torch.bool, device=device)
    token: Tensor | None = None
    for t in range(length):
        known, state = language.advance(token, state)
        step = language.logits(known).log_softmax(-1).view(n, width, -1)
        step = _continuations(step, over, last=t == length - 1)
        best, entry = (total.unsqueeze(-1) + step).flatten(1).topk(width, -1)
        total, kept = best, entry // step.shape[-1]
        new = entry % step.shape[-1]
        rows = rows.gather(1, kept.unsqueeze(-1).expand_as(rows))
        rows[:, :, t] = new
        over = over.gather(1, kept) | (new == EOS)
        if over.all():
            break
        flat = (kept + width * torch.arange(n, device=device).unsqueeze(1)).flatten()
        state, token = language.select(state, flat), new.flatten().clamp(min=EOS)
    return rows[torch.arange(n, device=device), total.argmax(1)]


def _continuations(log_p: Tensor, over: Tensor, *, last: bool) -> Tensor:
    """log p of each next token `[N, W, V]` by its number: after the end padding alone, for nothing;
    at the last place an end alone."""
    padding = torch.where(over, 0.0, -torch.inf).unsqueeze(-1).to(log_p.dtype)
    log_p = log_p.masked_fill(over.unsqueeze(-1), -torch.inf)
    if last:
        others = torch.arange(1, log_p.shape[-1] + 1, device=log_p.device) != EOS
        log_p = log_p.masked_fill(others, -torch.inf)
    return torch.cat([padding, log_p], -1)


def ended(tokens: Tensor) -> Tensor:
    """Rows of tokens `[*, l]` with padding after their end."""
    after = (tokens == EOS).cumsum(-1) - (tokens == EOS).long()
    return torch.where(after > 0, PAD, tokens)
