"""A likelihood alone: no latents, an exact log p(x)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from vaebench.data import Batch, Field, Spec
from vaebench.heads import Likelihood
from vaebench.models.base import RecognitionFirst, observed_field
from vaebench.trace import Trace


class Unconditional(RecognitionFirst):
    """p(x) is a likelihood whose parameters are learned as they are, the same for every example.

    With `likelihood=sentence` it is a language model, with `likelihood=autoregressive` a fully
    visible net, with independent pixels the plainest density there is. What is learned starts at
    the data's mean where there is one.

    Args:
        spec: names and shapes of a batch, and N.
        likelihood: `Field` of x → head of p(x).
        observed: which name of the batch is x.

    References:
        Recurrent Neural Network Based Language Model (Mikolov, Karafiát, Burget, Černocký,
        Khudanpur 2010)
    """

    def __init__(
        self,
        spec: Spec,
        *,
        likelihood: Callable[[Field], Likelihood],
        observed: str = "x",
    ) -> None:
        super().__init__()
        x, self.observed = observed_field(spec, observed), observed
        self.likelihood = likelihood(x)
        start = torch.zeros(self.likelihood.param_shape)
        if x.mean is not None:
            start = self.likelihood.params_for_mean(x.mean).clone()
        self.params = nn.Parameter(start)

    def recognise(self, q: Trace, batch: Batch) -> None:
        """There is nothing to infer."""

    def generate(self, p: Trace, batch: Batch) -> None:
        p(self.observed, self.likelihood(self.params))
