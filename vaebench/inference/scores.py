"""The score of q: how much each sample wants q to change."""

from __future__ import annotations

from functools import reduce
from operator import add

import torch
from torch import Tensor

from vaebench.data import Batch
from vaebench.errors import Incompatible
from vaebench.inference.freeform import outputs_pass, param_shape
from vaebench.models import Model
from vaebench.trace import Evidence, Trace


def scores(model: Model, batch: Batch, evidence: Evidence) -> Tensor:
    """‖∂ log q(z | x) / ∂η‖ of each sample, `[k, B]`, with η all that the nets of q emit.

    Only heads are run again: what their nets emit is held.

    Raises:
        Incompatible: q has no nets whose output could be changed.
    """
    lead = evidence.q.lead
    values = {name: evidence.q[name].value.detach() for name in evidence.latents}
    leaves: list[Tensor] = []

    def leaf(name: str, emitted: Tensor) -> Tensor:
        own = emitted.shape[emitted.ndim - len(param_shape(model, name)) :]
        leaves.append(emitted.detach().expand(*lead, *own).clone().requires_grad_())
        return leaves[-1]

    with torch.enable_grad(), outputs_pass(model, leaf):
        q = Trace(*lead, {**batch, **values})
        model.recognise(q, batch)
        log_q = reduce(add, (q[name].log_prob for name in values))
        if not leaves:
            raise Incompatible("q has no conditionals whose score could be taken")
        gradients = torch.autograd.grad(log_q.sum(), leaves)
    return torch.stack([g.flatten(2).square().sum(2) for g in gradients]).sum(0).sqrt()
