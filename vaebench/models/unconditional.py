"""A likelihood alone: no latents, an exact log p(x)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from vaebench.data import Batch, Columns, Field, Spec
from vaebench.errors import Incompatible
from vaebench.heads import Likelihood
from vaebench.models.base import RecognitionFirst
from vaebench.models.em import moments
from vaebench.models.parts import Observed, listed, observed_fields, one_or_list
from vaebench.trace import Trace


class Unconditional(RecognitionFirst):
    """p(x) is a likelihood whose parameters are learned as they are, the same for every example.
    Several observed names are independent.

    With `likelihood=sentence` it is a language model, with `likelihood=autoregressive` a fully
    visible net, with `likelihood=linear_gaussian` probabilistic principal component analysis, with
    independent pixels the plainest density there is. What is learned starts at the data's mean where
    there is one; of bits, classes and Gaussians of fixed variance that is the greatest likelihood
    itself. Other Gaussians have theirs of the data's mean and covariance.

    Args:
        spec: names and shapes of a batch, and N.
        likelihood: `Field` of x → head of p(x).
        fit: `closed_form`: the greatest likelihood is found before the first step; or `gradient`: by
            steps.
        observed: which names of the batch are x.

    Raises:
        Incompatible: the greatest likelihood has no closed form.

    References:
        Recurrent Neural Network Based Language Model (Mikolov, Karafiát, Burget, Černocký,
        Khudanpur 2010)
    """

    def __init__(
        self,
        spec: Spec,
        *,
        likelihood: Callable[[Field], Likelihood],
        fit: Literal["closed_form", "gradient"] = "gradient",
        observed: Observed = "x",
    ) -> None:
        super().__init__()
        x = observed_fields(spec, observed)
        self.observed, self.in_closed_form = tuple(x), fit == "closed_form"
        heads = [likelihood(field) for field in x.values()]
        starts = [nn.Parameter(_start(h, f)) for h, f in zip(heads, x.values(), strict=True)]
        self.has_means = all(field.mean is not None for field in x.values())
        if self.in_closed_form and not all(map(_has_closed_form, heads, x.values())):
            raise Incompatible(
                "this model is fitted in closed form, which this likelihood has none of.",
                "likelihood",
                options=("model.fit=gradient",),
            )
        self.likelihood = one_or_list(heads)
        self.params = starts[0] if len(starts) == 1 else nn.ParameterList(starts)

    @property
    def solves(self) -> bool:  # type: ignore[override]  # it depends on the likelihood
        """Whether the data's mean, where it starts, is all that the likelihoods need, or `fit` finds
        them."""
        at_start = self.has_means and all(head.fitted_by_mean for head in listed(self.likelihood))
        return at_start or self.in_closed_form

    @torch.no_grad()
    def fit(self, split: Columns) -> list[float]:
        heads, params = listed(self.likelihood), listed(self.params)
        for name, head, values in zip(self.observed, heads, params, strict=True):
            if self.in_closed_form and head.fitted_by_covariance:
                values.copy_(head.params_for_covariance(*moments(split, name)))
        return []

    def recognise(self, q: Trace, batch: Batch) -> None:
        """There is nothing to infer."""

    def generate(self, p: Trace, batch: Batch) -> None:
        parts = listed(self.likelihood), listed(self.params)
        for name, head, params in zip(self.observed, *parts, strict=True):
            p(name, head(params))


def _has_closed_form(head: Likelihood, x: Field) -> bool:
    """Of the greatest likelihood: of a covariance, or of a mean, which is known from the start."""
    return head.fitted_by_covariance or (head.fitted_by_mean and x.mean is not None)


def _start(head: Likelihood, x: Field) -> Tensor:
    """Parameters of the data's mean, where there is one."""
    if x.mean is None:
        return torch.zeros(head.param_shape)
    return head.params_for_mean(x.mean).to(torch.get_default_dtype(), copy=True)
