"""The embedded default: real handwritten digits that come with scikit-learn."""

from __future__ import annotations

import torch

from vaebench.data.images.base import Images, Raw


class Digits(Images):
    """1797 handwritten digits of 8x8 pixels and 17 grey levels (Alpaydin, Kaynak 1998)."""

    def read(self) -> tuple[Raw, Raw | None]:
        from sklearn.datasets import load_digits

        digits = load_digits()
        x = torch.from_numpy(digits.images).byte().unsqueeze(1)
        return Raw(x, 17, torch.from_numpy(digits.target)), None
