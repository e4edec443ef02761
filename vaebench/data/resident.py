"""What a data set looks up at each access, on whichever device."""

from __future__ import annotations

import torch
from torch import Tensor


class Resident:
    """A tensor on whichever device asks for it.

    Args:
        tensor: on any.
    """

    def __init__(self, tensor: Tensor) -> None:
        self.tensor, self.copies = tensor, {tensor.device: tensor}

    def on(self, device: torch.device) -> Tensor:
        """The tensor on this device, where it stays."""
        if device not in self.copies:
            self.copies[device] = self.tensor.to(device)
        return self.copies[device]
