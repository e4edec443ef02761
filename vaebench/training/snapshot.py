"""A run in the midst of an epoch, to be returned to."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING

import torch

from vaebench.data.seeds import noise_state, set_noise_state
from vaebench.training.stepwise import Stepwise

if TYPE_CHECKING:
    from vaebench.training.system import System


class Snapshot:
    """All that steps change, as it stands.

    Attributes:
        step: how many were done.
    """

    def __init__(
        self, system: System, optimizer: torch.optim.Optimizer, listeners: Sequence[Stepwise]
    ) -> None:
        self.system, self.optimizer, self.listeners = system, optimizer, listeners
        self.step = system.trainer.global_step
        self.held = [*system.parameters(), *system.buffers()]
        self.values = [value.detach().clone() for value in self.held]
        self.moments = {p: deepcopy(state) for p, state in optimizer.state.items()}
        self.noise, self.loader = noise_state(system.device), system.loader.state()
        self.means, self.undone = system.means.state(), system.undone
        self.told = [deepcopy(listener.state_dict()) for listener in listeners]

    @torch.no_grad()
    def restore(self) -> None:
        """All of it; batches come again from an iterator of the loader's own."""
        for value, kept in zip(self.held, self.values, strict=True):
            value.copy_(kept)
        self.optimizer.state.clear()
        self.optimizer.state.update(self.moments)
        set_noise_state(self.system.device, self.noise)
        self.system.loader.load(self.loader)
        self.system.means.load(self.means)
        self.system.undone = self.undone
        for listener, told in zip(self.listeners, self.told, strict=True):
            listener.load_state_dict(told)
