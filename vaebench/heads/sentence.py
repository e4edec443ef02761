"""A likelihood of sentences."""

from __future__ import annotations

from torch import Tensor

from vaebench.data import Field, Support
from vaebench.distributions import TokenSequence
from vaebench.errors import Incompatible
from vaebench.heads.base import Likelihood
from vaebench.nets.base import widths
from vaebench.nets.language import Cell, Condition, LanguageModel


class Sentence(Likelihood):
    """p(x | z) = Π_t p(x_t | x_{<t}, z), the end of the sentence included, by a recurrent net.

    Args:
        cell: `lstm` or `gru`.
        embedding: width of a token's vector.
        hidden: width of the state.
        condition: where z enters: as the `initial` state, beside `every_step`'s token, or `both`.
        keep: chance in [0, 1] that a word is seen by those after it, in training alone; 0: the
            decoder sees no words at all, in evaluation neither.

    References:
        Generating Sentences from a Continuous Space (Bowman, Vilnis, Vinyals, Dai, Jozefowicz,
        Bengio 2016), https://arxiv.org/abs/1511.06349
    """

    def __init__(
        self,
        observed: Field,
        *,
        cell: Cell,
        embedding: int,
        hidden: int,
        condition: Condition,
        keep: float,
    ) -> None:
        super().__init__()
        if observed.support is not Support.TOKENS:
            raise Incompatible(
                f"this likelihood is of tokens; the data are {observed.support.words}.",
                "likelihood",
            )
        if not 0 <= keep <= 1:
            raise Incompatible(f"likelihood.keep={keep}: must lie in [0, 1]")
        widths("likelihood.embedding", [embedding])
        widths("likelihood.hidden", [hidden])
        self.field, self.keep = observed, keep
        self.language = LanguageModel(
            observed.levels, cell, embedding, hidden, condition, inputless=keep == 0
        )
        self.param_shape = (self.language.width,)

    def forward(self, params: Tensor) -> TokenSequence:
        keep = self.keep if self.training and self.keep else 1.0
        return TokenSequence(self.language, params, self.field.numel, keep)

    def params_for_mean(self, mean: Tensor) -> Tensor:
        raise Incompatible("this likelihood: sentences have no mean", "likelihood")

    @property
    def caveat(self) -> str | None:
        if not 0 < self.keep < 1:
            return None
        return (
            f"likelihood.keep={self.keep}: training terms are those of a decoder that misses words; "
            "validation and test show it all of them"
        )

    def bits_per_nat(self) -> tuple[float, float] | None:
        return None  # perplexity is the measure of sentences
