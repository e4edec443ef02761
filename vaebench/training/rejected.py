"""In our words, what torch and Lightning reject."""

from __future__ import annotations

import re

from omegaconf import DictConfig

from vaebench.suggest import literal

NAMES = {"learning rate": "lr", "beta": "betas", "epsilon": "eps"}
"""Options of optimizers as torch calls them, where it does not call them by their name."""

NONE_HERE = "this machine has none that torch can use"


def rejected(options: DictConfig, error: ValueError) -> str:
    """A number of an optimizer's that is out of its range."""
    named = re.match(r"Invalid (.+?)(?: parameter at index \d| value)?:", str(error))
    name = NAMES.get(named[1], named[1]) if named else ""
    if name not in options:
        return f"optimizer: {error}"
    allowed = "each must lie in [0, 1)" if name == "betas" else "must not be negative"
    return f"optimizer.{name}={literal(options[name])}: {allowed}"


def lacking(error: Exception) -> str:
    """An accelerator that the machine does not have."""
    absent = re.search("No supported|can not run on your system", str(error))
    return NONE_HERE if absent else str(error).rstrip(".")
