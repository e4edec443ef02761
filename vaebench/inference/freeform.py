"""The best q of its family for each example: variational parameters that no encoder had to find."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from vaebench.data import Batch
from vaebench.distributions import Noise
from vaebench.errors import Incompatible
from vaebench.heads import Conditional
from vaebench.heads.sought import ascend
from vaebench.inference.infer import batch_size, refined
from vaebench.models import Model, RecognitionFirst
from vaebench.progress import steps as counted
from vaebench.trace import Evidence, Trace

Parameters = dict[str, Tensor]
"""What the nets of q's conditionals emit, `[B, *param_shape]`, by the conditional's name."""


def emitted(model: Model, batch: Batch) -> Parameters:
    """What the encoder says of a batch.

    Raises:
        Incompatible: where q is not made of one conditional of x alone for each latent.
    """
    if not isinstance(model, RecognitionFirst):
        raise Incompatible(
            "recognition and generation take turns, so that q has no parameters of z"
        )
    if model.seeks:
        raise Incompatible("q's parameters are sought for each example already")
    found: Parameters = {}
    with torch.no_grad(), outputs_pass(model, partial(_note, found)):
        q = Trace(1, batch_size(batch), batch)
        model.recognise(q, batch)
    if len(found) != len(q.drawn):
        raise Incompatible("not every latent has a conditional of its own in recognition")
    for name, value in found.items():
        if value.shape != (batch_size(batch), *param_shape(model, name)):
            raise Incompatible(f"{name} depends on another latent's draw")
    return found


def param_shape(model: Model, name: str) -> tuple[int, ...]:
    """Of what the net of a conditional emits for one example."""
    conditional = model.get_submodule(name)
    assert isinstance(conditional, Conditional)
    return conditional.head.param_shape


def infer_at(
    model: Model, batch: Batch, parameters: Parameters, k: int, noise: Noise | None = None
) -> Evidence:
    """Evidence of k samples of q with these parameters in place of what the encoder emits."""
    size = batch_size(batch)
    q = Trace(k, size, batch, noise=noise)
    with outputs_pass(model, lambda name, value: parameters[name]):
        model.recognise(q, batch)
    p = Trace(k, size, {**batch, **q.values}, noise=noise)
    model.generate(p, batch)
    evidence = Evidence(p, q, tuple(site.name for site in q.drawn))
    return refined(model, batch, evidence, noise)


def optimise(
    model: Model, batch: Batch, *, k: int, steps: int, lr: float, noise: Noise
) -> Parameters:
    """argmax of the bound over the parameters of q, example by example, model held fixed.

    Adam from where the encoder stands, its step size falling to 0 along a half cosine. Where KL(q ‖
    p) has a closed form it is used.
    """
    return ascend(
        emitted(model, batch),
        # A sum: each example's parameters see its own gradient alone.
        lambda free: infer_at(model, batch, free, k, noise).elbo.sum(),
        steps=counted(range(steps), "best q"),
        count=steps,
        lr=lr,
    )


def _note(found: Parameters, name: str, value: Tensor) -> Tensor:
    if name in found:
        raise Incompatible(f"{name} is used for more than one latent")
    found[name] = value
    return value


@contextmanager
def outputs_pass(model: nn.Module, through: Any) -> Iterator[None]:
    """While open, what the net of each conditional emits passes `through(name, value)`."""
    hooks = [
        module.net.register_forward_hook(lambda net, inputs, value, name=name: through(name, value))
        for name, module in model.named_modules()
        if isinstance(module, Conditional)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class Given(nn.Module):
    """In place of a net: what it is to emit, one value a call."""

    def __init__(self, values: Iterator[Tensor]) -> None:
        super().__init__()
        self.values = values

    def forward(self, *contexts: Tensor) -> Tensor:
        return next(self.values)


@contextmanager
def nets_give(model: nn.Module, values: Iterable[Tensor]) -> Iterator[None]:
    """While open, the nets of the conditionals emit these values, in the order of their calls."""
    given = Given(iter(values))
    nets = {m: m.net for m in model.modules() if isinstance(m, Conditional)}
    for conditional in nets:
        conditional.net = given
    try:
        yield
    finally:
        for conditional, net in nets.items():
            conditional.net = net
