"""What was chosen, in the user's own words."""

from __future__ import annotations

import re

from vaebench.config.groups import GROUPS
from vaebench.runs.layout import option_of

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


def typed(group: str) -> bool:
    """Whether a word of the command line is about a group; outside of the command nobody knows."""
    from hydra.core.hydra_config import HydraConfig

    if not HydraConfig.initialized():
        return True
    names = map(option_of, HydraConfig.get().overrides.task)
    return any(f"{name}.".startswith(f"{group}.") for name in names)
