"""How sentences are taken from a model."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from vaebench.distributions import Noise, TokenSequence
from vaebench.distributions.decoding import ancestral, beam, check_beam, check_draws, greedy


@dataclass(frozen=True)
class Decoding:
    """How a sentence is taken from next-token distributions.

    Attributes:
        beam: how many beginnings compete; 1: greedy decoding.
        temperature: of draws: logits are divided by it.
        top_p: of draws: the likeliest tokens that make up so much are drawn from.
    """

    beam: int = 1
    temperature: float = 1.0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        check_beam(self.beam)
        check_draws(self.temperature, self.top_p)

    def best(self, p: TokenSequence) -> Tensor:
        """The best sentence that is found for each context, `[*batch, L]`."""
        context, length = p.context.flatten(0, -2), p.length
        if self.beam == 1:
            found = greedy(p.language, context, length)
        else:
            found = beam(p.language, context, length, self.beam)
        return found.view(*p.context.shape[:-1], length)

    def drawn(self, p: TokenSequence, noise: Noise) -> Tensor:
        """A draw for each context, `[*batch, L]`."""
        options = {"temperature": self.temperature, "top_p": self.top_p}
        found = ancestral(p.language, p.context.flatten(0, -2), p.length, noise, **options)
        return found.view(*p.context.shape[:-1], p.length)
