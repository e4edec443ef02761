"""`vaebench check …`: composes and dry-runs a choice, without training or writing anything."""

from __future__ import annotations

from pathlib import Path

import torch
from omegaconf import DictConfig
from rich.console import Console

from vaebench.commands.told import config_tree, refusing
from vaebench.composition import Composition
from vaebench.progress import duration
from vaebench.training.cost import Cost, cost_of_step, memory_of
from vaebench.training.ready import rehearsed

SLOW = 3.0
"""Seconds of a step of which people are warned."""


def check(cfg: DictConfig, choices: dict[str, str]) -> None:
    """Prints what would run: its sites, shapes and parameters, and `ok`.

    Raises:
        Refusal: what the same choice would say before training.
    """
    console = Console()
    with refusing():
        if cfg.trainer.devices > 1 or cfg.callbacks:
            composition, device = _prepared(cfg, console)
        else:
            composition, device = rehearsed(cfg)
        cost = cost_of_step(composition, cfg.trainer.batch_size, device)
    tree = config_tree(cfg, choices, composition)
    sites = tree.add("sites")
    for site in composition.report.sites:
        sites.add(site)
    parameters = tree.add("parameters")
    parts = dict(composition.model.named_children()) | {"objective": composition.objective}
    for name, part in parts.items():
        count = sum(p.numel() for p in part.parameters())
        parameters.add(f"{name} {count:,}")
    roles = [f"{name}: {role}" for name, role in composition.report.roles.items()]
    tree.add("batch " + ", ".join(roles))
    tree.add(f"a step about {told(cost)}")
    console.print(tree, highlight=False)
    for line in warnings(cost, memory_of(device)):
        console.print(f"[yellow]warning[/] {line}", highlight=False, soft_wrap=True)
    console.print("ok")


def _prepared(cfg: DictConfig, console: Console) -> tuple[Composition, torch.device]:
    """The same with Lightning, which alone knows of several processes and of callbacks."""
    from vaebench.training import prepare
    from vaebench.training.processes import rank_zero

    with rank_zero(cfg.trainer.devices):
        composition, _, trainer = prepare(cfg, Path(), console)
        return composition, trainer.strategy.root_device


def told(cost: Cost) -> str:
    """`8 ms and 46 MB`."""
    shown = f"{1000 * cost.seconds:.0f} ms" if cost.seconds < 1 else f"{cost.seconds:.1f} s"
    return f"{shown} and {size(cost.memory)}"


def warnings(cost: Cost, room: float) -> list[str]:
    """What a step takes that is more than people expect, or than there is."""
    less = "a smaller k, trainer.batch_size or net takes less"
    found = []
    if cost.seconds > SLOW:
        found.append(f"a step takes about {duration(cost.seconds)}; {less}")
    if cost.memory > room:
        found.append(f"a step needs about {size(cost.memory)}, and there are {size(room)}; {less}")
    return found


def size(number: float) -> str:
    """Bytes for people."""
    return f"{number / 1e6:.0f} MB" if number < 1e9 else f"{number / 1e9:.1f} GB"
