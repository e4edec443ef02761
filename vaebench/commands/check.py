"""`vaebench check …`: composes and dry-runs a choice, without training or writing anything."""

from __future__ import annotations

from omegaconf import DictConfig
from rich.console import Console

from vaebench.commands.train import config_tree
from vaebench.compose import compose
from vaebench.training import build_system


def check(cfg: DictConfig, choices: dict[str, str]) -> None:
    """Prints what would run: its sites, shapes and parameters, and `ok`.

    Raises:
        Refusal: what the same choice would say before training.
    """
    console = Console()
    composition = compose(cfg)
    build_system(cfg, composition)
    tree = config_tree(cfg, choices, composition)
    sites = tree.add("sites")
    for site in composition.report.sites:
        sites.add(site)
    parameters = tree.add("parameters")
    for owner in (composition.model, composition.objective):
        for name, part in owner.named_children():
            count = sum(p.numel() for p in part.parameters())
            parameters.add(f"{name} {count:,}")
    roles = [f"{name}: {role}" for name, role in composition.report.roles.items()]
    tree.add("batch " + ", ".join(roles))
    console.print(tree, highlight=False)
    console.print("ok")
