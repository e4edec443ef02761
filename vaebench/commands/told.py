"""What is told of a run before it begins, and how it is refused."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from omegaconf import DictConfig
from rich.tree import Tree

from vaebench.composition import Composition
from vaebench.config.groups import told
from vaebench.errors import Refusal


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Before anything is trained, whatever goes wrong is a wrong choice: of options, or of a
    class or file of the user's."""
    try:
        yield
    except Refusal:
        raise
    except Exception as error:
        hint = "VAEBENCH_TRACEBACK=1 shows where"
        raise Refusal(f"{type(error).__name__}: {error} ({hint})") from error


def config_tree(cfg: DictConfig, choices: dict[str, str], composition: Composition) -> Tree:
    """What runs, one line a group, and what a reader should know about it."""
    parameters = sum(p.numel() for p in composition.model.parameters())
    report = composition.report
    tree = Tree(
        f"[bold]{report.quantity}[/] · k={cfg.k} · seed={cfg.seed} · {parameters:,} parameters"
    )
    for group, choice in told(choices).items():
        options = {
            name: value
            for name, value in cfg[group].items()
            if not name.startswith("_") and not isinstance(value, DictConfig) and name != "k"
        }
        shown = ", ".join(f"{n}={v}" for n, v in options.items() if n not in choices)
        tree.add(f"{group}=[cyan]{choice}[/] [dim]{shown}[/]")
    for note in report.notes:
        tree.add(f"[yellow]note[/] {note}")
    return tree
