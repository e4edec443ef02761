"""Whether there is an account to upload runs to."""

from __future__ import annotations

from typing import Literal


def mode_by_account() -> Literal["online", "offline"]:
    """How runs of Weights & Biases are kept: online where somebody is logged in."""
    import wandb

    # `wandb.init` would ask at a terminal and raise in a pipe; this only looks for a key.
    return "online" if wandb.login(prompt=False, verify=False) else "offline"
