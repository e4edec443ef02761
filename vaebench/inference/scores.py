"""The score of q: how much each sample wants q to change."""

from __future__ import annotations

from functools import reduce
from operator import add

import torch
from torch import Tensor

from vaebench.data import Batch
from vaebench.errors import Incompatible
from vaebench.inference.freeform import nets_give, outputs_pass, param_shape
from vaebench.models import Model
from vaebench.trace import Evidence, Trace


def scores(model: Model, batch: Batch, evidence: Evidence) -> Tensor:
    """‖∂ log q(z | x) / ∂η‖ of each sample, `[k, B]`, with η all that the nets of q emit.

    Only heads are run again: what their nets emit is held.

    Raises:
        Incompatible: q has no nets whose output could be changed.
    """
    if model.seeks:
        raise Incompatible("q's parameters are sought for each example")
    lead = evidence.q.lead
    values = {name: evidence.q[name].value.detach() for name in evidence.latents}
    emitted: list[Tensor] = []

    def note(name: str, value: Tensor) -> Tensor:
        own = value.shape[value.ndim - len(param_shape(model, name)) :]
        emitted.append(value.detach().expand(*lead, *own))
        return emitted[-1]

    def recognised() -> Trace:
        q = Trace(*lead, {**batch, **values})
        model.recognise(q, batch)
        return q

    def log_q(held: list[Tensor]) -> Tensor:
        with nets_give(model, held):
            q = recognised()
        return reduce(add, (q[name].log_prob for name in values)).sum()

    with torch.no_grad(), outputs_pass(model, note):
        recognised()
    if not emitted:
        raise Incompatible("q has no conditionals whose score could be taken")
    gradients = torch.func.grad(log_q)(emitted)
    return torch.stack([g.flatten(2).square().sum(2) for g in gradients]).sum(0).sqrt()
