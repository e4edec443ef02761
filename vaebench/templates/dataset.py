"""Pictures of bars."""

from __future__ import annotations

import torch

from vaebench.data import Images, Raw


class Template(Images):
    """Black pictures of 8x8 pixels in which each row is white or not, each with probability 1/2.

    Change: `read`. `Raw` takes bytes `[N, C, H, W]` and how many grey levels they have, or floats in
    [0, 1] and 0; a third argument is a label for each, `[N]`. For data of another kind, see `Dataset`.
    """

    def read(self) -> tuple[Raw, Raw | None]:
        """All examples that the split divides, and the official test set if there is one."""
        rows = torch.rand(2000, 1, 8, 1, generator=torch.Generator().manual_seed(0)) > 0.5
        return Raw(rows.float().expand(-1, -1, 8, 8).contiguous(), 0), None
