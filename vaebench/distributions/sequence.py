"""Sentences whose every token depends on those before it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from vaebench.data.spec import PAD, UNK
from vaebench.distributions.base import Distribution, Noise, Score
from vaebench.distributions.decoding import Language, ancestral
from vaebench.errors import Incompatible

ROWS = 2048
"""Tokens whose vocabulary is looked over together where no gradient needs them all: 80 MB of 10,000
words."""

AGAIN: dict[str, Any] = {
    "use_reentrant": False,
    "preserve_rng_state": False,
}  # nothing random is computed again


class TokenSequence(Distribution):
    """p(x) = Π_t p(x_t | x_{<t}, context) over rows of tokens that end in `EOS` and are padded then.

    Args:
        language: of the next token.
        context: `[*batch, C]`.
        length: of the longest sentence, its end included; draws are cut there.
        keep: chance that a token is seen by those after it when one is scored; otherwise they see
            `UNK`.

    References:
        Generating Sentences from a Continuous Space (Bowman, Vilnis, Vinyals, Dai, Jozefowicz,
        Bengio 2016), https://arxiv.org/abs/1511.06349
    """

    kind = "tokens"

    def __init__(self, language: Language, context: Tensor, length: int, keep: float = 1.0) -> None:
        self.language, self.context, self.length, self.keep = language, context, length, keep

    @property
    def batch_shape(self) -> torch.Size:
        return self.context.shape[:-1]

    @property
    def event_shape(self) -> torch.Size:
        return torch.Size([self.length])

    @property
    def width(self) -> int:
        return self.length * self.language.size

    @property
    def mean(self) -> Tensor:
        raise Incompatible("the mean of sentences is none; decode one instead")

    def log_prob(self, value: Tensor) -> Tensor:
        """Σ_t log p(x_t | x_{<t}), the end counted and padding not, `[*batch]`."""
        return self.score_of(value, Noise())()

    def score_of(self, value: Tensor, noise: Noise) -> Score:
        return partial(self._log_prob, value, self._seen(value, noise))

    def _log_prob(self, value: Tensor, seen: Tensor) -> Tensor:
        lead = torch.broadcast_shapes(value.shape[:-1], self.batch_shape)
        seen = seen[..., :-1].expand(*lead, -1).flatten(0, -2)
        context = self.context.expand(*lead, -1).flatten(0, -2)
        known = self.language.states(seen, context)
        x = value.expand(*lead, -1).reshape(known.shape[:2])
        whole = self.language.training and torch.is_grad_enabled()
        each = (
            self._score(known, x) if whole and _static(x) else self._score_tokens(known, x, whole)
        )
        return each.sum(1).view(lead)

    def rsample(self, shape: Sequence[int], noise: Noise) -> Tensor:
        """Token by token; without gradients."""
        context = self.context.expand(*shape, *self.context.shape)
        drawn = ancestral(self.language, context.flatten(0, -2), self.length, noise)
        return drawn.view(*context.shape[:-1], self.length)

    def _seen(self, value: Tensor, noise: Noise) -> Tensor:
        """Tokens as those after them see them. One draw for each example, whatever k: all samples
        are weighed under the same density, and whoever scores again with the same noise uses it."""
        if self.keep >= 1:
            return value
        shared = (1, *value.shape) if value.ndim == 2 else value.shape  # for all samples of each
        kept = noise.uniform(shared, self.context).view(value.shape) < self.keep
        return torch.where(kept, value, UNK)

    def _score(self, known: Tensor, x: Tensor) -> Tensor:
        """log p of each token, of `x`'s shape; 0 of padding, whose entry would be that before the first."""
        # Not flattened before: torch adds the bias in place to rows of rows alone, and copies it to
        # all of them else, a fortieth of a step.
        logits = self.language.logits(known).flatten(0, -2)
        cost = F.cross_entropy(logits, x.flatten() - 1, ignore_index=PAD - 1, reduction="none")
        return -cost.view_as(x)

    def _score_tokens(self, known: Tensor, x: Tensor, whole: bool) -> Tensor:
        """The same without padding's share of the work. Unless `whole`, a few rows at a time: where a
        gradient is wanted of an evaluated model, each piece is computed again for it."""
        rows = (x != PAD).flatten().nonzero().squeeze(-1)
        flat, tokens = known.flatten(0, 1)[rows].unsqueeze(0), x.flatten()[rows].unsqueeze(0)
        if whole:
            scores = self._score(flat, tokens)
        else:
            pieces = zip(flat.split(ROWS, 1), tokens.split(ROWS, 1), strict=True)
            scores = torch.cat([checkpoint(self._score, *piece, **AGAIN) for piece in pieces], 1)
        each = torch.zeros_like(known[..., 0])
        return each.flatten().index_copy(0, rows, scores.squeeze(0)).view_as(x)


def _static(x: Tensor) -> bool:
    """Whether no shape may depend on how many of the tokens are padding: a GPU would be waited for, a
    compiled step compiled again, and jobs of several counts could not be one."""
    several = torch._C._functorch.is_functorch_wrapped_tensor(x)
    return not x.is_cpu or several or torch.compiler.is_compiling()
