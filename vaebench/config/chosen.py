"""What was chosen, in the user's own words."""

from __future__ import annotations

import re

from vaebench.config.groups import GROUPS

PART = re.compile(rf"\bthis ({'|'.join(group.name for group in GROUPS)})\b")


def chosen(group: str) -> str:
    """`posterior=laplace`, as it was chosen; `this posterior` outside of the command.

    Only Hydra knows under which name an object was chosen: one class may have several.
    """
    from hydra.core.hydra_config import HydraConfig

    known = HydraConfig.get().runtime.choices if HydraConfig.initialized() else {}
    return f"{group}={known[group]}" if known.get(group) else f"this {group}"


def in_words(text: str) -> str:
    """What is said of `this posterior`, of `posterior=laplace`."""
    return PART.sub(lambda found: chosen(found[1]), text)
