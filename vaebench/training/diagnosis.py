"""Where a step stopped being finite: which weight, layer and site."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from vaebench.data.seeds import noise_state, set_noise_state
from vaebench.distributions import GLOBAL
from vaebench.inference import infer
from vaebench.trace import Evidence, Site
from vaebench.training.system import System


def diagnose(system: System) -> str:
    """One line on the step at hand: it is run again, with the same noise, and looked into."""
    step = f"step {system.global_step + 1}"
    for name, weight in system.named_parameters():
        if not weight.isfinite().all():
            return f"{step}: the weights {name} are not finite"
    noise = noise_state(system.device)
    set_noise_state(system.device, system.pending.noise)
    drawn = system.objective.weights_drawn(GLOBAL)
    with torch.enable_grad(), drawn, outputs(system.model) as layers:
        evidence = infer(system.model, system.pending.batch, system.objective.k)
        found = _forward(evidence, layers) or _backward(evidence, system)
    set_noise_state(system.device, noise)
    return f"{step}: {found or 'the loss or its gradient is not finite'}"


@contextmanager
def outputs(model: nn.Module) -> Iterator[list[str]]:
    """Layers whose output is not finite, in the order in which they ran."""
    bad: list[str] = []

    def hook(name: str) -> Any:
        def note(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and not output.isfinite().all():
                bad.append(f"{name} ({type(module).__name__})")

        return note

    leaves = [(n, m) for n, m in model.named_modules() if not list(m.children())]
    handles = [m.register_forward_hook(hook(f"model.{n}")) for n, m in leaves]
    try:
        yield bad
    finally:
        for handle in handles:
            handle.remove()


def sites(evidence: Evidence) -> Iterator[tuple[str, Site]]:
    """q's draws, then all of p's sites, in the order of the visits."""
    for program, trace in (("q", evidence.q), ("p", evidence.p)):
        for site in trace.sites.values():
            if program == "p" or not site.given:
                yield f"{type(site.dist).__name__} of {program} at site {site.name!r}", site


def _forward(evidence: Evidence, layers: list[str]) -> str:
    """The first layer and the first site that are not finite."""
    found = [f"the output of {layers[0]} is not finite"] if layers else []
    for what, site in sites(evidence):
        if not site.value.isfinite().all():
            return "; ".join([*found, f"{what} drew a value that is not finite"])
        if site.dist.has_density and not site.log_prob.isfinite().all():
            return "; ".join([*found, f"log-density of {what} is not finite"])
    return "; ".join(found)


def _backward(evidence: Evidence, system: System) -> str:
    """The first site whose log-density has a gradient that is not, and the layer next to it."""
    named = list(system.model.named_parameters())
    for what, site in sites(evidence):
        if not site.dist.has_density or not site.log_prob.requires_grad:
            continue
        gradients = torch.autograd.grad(
            site.log_prob.sum(), [p for _, p in named], allow_unused=True, retain_graph=True
        )
        # Backpropagation reaches the last layer first.
        for (name, _), gradient in reversed(list(zip(named, gradients, strict=True))):
            if gradient is not None and not gradient.isfinite().all():
                return f"the gradient of log-density of {what} is not finite at model.{name}"
    return ""
