"""A refusal in the user's own words: what was chosen, and what to choose instead."""

from __future__ import annotations

from vaebench.config.suggest import use


def chosen(group: str) -> str:
    """`posterior=laplace`, as it was chosen; `this posterior` outside of the command."""
    name = _choice(group)
    return f"{group}={name}" if name else f"this {group}"


def instead(*choices: str) -> str:
    """` Use A or B.`, leaving out what was chosen already; nothing where nothing is left."""
    return use(*(c for c in choices if c.partition("=")[2] != _choice(c.partition("=")[0])))


def _choice(group: str) -> str | None:
    """Only Hydra knows under which name an object was chosen: one class may have several."""
    from hydra.core.hydra_config import HydraConfig

    if not HydraConfig.initialized():
        return None
    return HydraConfig.get().runtime.choices.get(group)
