"""A conditional density alone: no latents, an exact log p(y | x)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vaebench.data import Batch, Field, Spec
from vaebench.errors import Incompatible
from vaebench.heads import Conditional, Likelihood
from vaebench.models.base import RecognitionFirst
from vaebench.models.parts import (
    Observed,
    condition_fields,
    observed_fields,
    one_or_list,
    values,
    visit,
)
from vaebench.nets import Family
from vaebench.suggest import override
from vaebench.trace import Trace


class ConditionalDensity(RecognitionFirst):
    """p(y | x) is a likelihood whose parameters a net makes of the conditions x: a classifier where y
    is a label, a regression where it is numbers. Several observed names are independent given x.

    Args:
        spec: names and shapes of a batch, and N.
        nets: family of the nets, which read x as an encoder does.
        likelihood: `Field` of y → head of p(y | x).
        observed: which names of the batch are y.
        conditions: which are x; at least one.

    References:
        Pattern Recognition and Machine Learning, chapters 3 and 4 (Bishop 2006)
    """

    def __init__(
        self,
        spec: Spec,
        *,
        nets: Family,
        likelihood: Callable[[Field], Likelihood],
        observed: Observed,
        conditions: Sequence[str],
    ) -> None:
        super().__init__()
        y = observed_fields(spec, observed)
        x = condition_fields(spec, conditions, y)
        if not x:
            others = tuple(override("model.conditions", [n]) for n in spec.fields if n not in y)
            why = "this model is a density under conditions, and there are none."
            raise Incompatible(why, "model", options=others)
        self.observed, self.conditions = tuple(y), tuple(x)
        heads = [likelihood(field) for field in y.values()]
        nets_of = [Conditional(nets.encoder(x, head.param_shape), head) for head in heads]
        self.likelihood = one_or_list(nets_of)

    def recognise(self, q: Trace, batch: Batch) -> None:
        """There is nothing to infer."""

    def generate(self, p: Trace, batch: Batch) -> None:
        visit(p, self.observed, self.likelihood, *values(batch, self.conditions))
