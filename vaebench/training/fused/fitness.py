"""What is known to train in a stack as it does alone, and what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from vaebench.data import Batch, Support
from vaebench.distributions import Noise
from vaebench.inference import infer
from vaebench.training.blocks import Blocks
from vaebench.training.fused.trial import Unfit

if TYPE_CHECKING:
    from vaebench.training.system import System

KINKED = (nn.ReLU, nn.LeakyReLU, nn.MaxPool2d)
"""Layers whose slope jumps: a value that rounding takes past the jump has another gradient."""


def check(blocks: Blocks) -> None:
    """Refuses what does not train in a stack.

    Raises:
        Unfit: why.
    """
    fields = blocks.system.data.spec.fields.values()
    if any(field.support is Support.TOKENS for field in fields):
        raise Unfit("its batches of sentences differ in width from other jobs'")
    if blocks.heard:
        raise Unfit("a callback of its own listens to each step")


def check_draws(system: System, batch: Batch, noise: Noise) -> None:
    """Refuses draws that are no smooth function of the weights: where rounding turns one over, as
    it now and then does, the run is no longer the run alone.

    Raises:
        Unfit: why.
    """
    objective = system.objective
    evidence = infer(system.model, batch, 1, noise=noise)
    discrete = any(evidence.q[name].dist.is_discrete for name in evidence.latents)
    if objective.dreams or (discrete and objective.draws != "enumerated"):
        what = "it learns from dreams" if objective.dreams else "it draws discrete latents"
        raise Unfit(f"{what}, which rounding would change now and then")


def kinks(net: nn.Module) -> str:
    """What to expect of nets that are not smooth, for people: rounding takes them as far from the run
    alone as a change in the last bit of a weight takes the run alone."""
    if not any(isinstance(module, KINKED) for module in net.modules()):
        return ""
    return ", up to what rounding does to nets with kinks"
