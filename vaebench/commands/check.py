"""`vaebench check …`: composes and dry-runs a choice, without training or writing anything."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console

from vaebench.commands.train import config_tree, refusing
from vaebench.training import prepare
from vaebench.training.processes import rank_zero


def check(cfg: DictConfig, choices: dict[str, str]) -> None:
    """Prints what would run: its sites, shapes and parameters, and `ok`.

    Raises:
        Refusal: what the same choice would say before training.
    """
    console = Console()
    with rank_zero(cfg.trainer.devices), refusing():
        composition, _, _ = prepare(cfg, Path(), console)
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
    console.print(tree, highlight=False)
    console.print("ok")
