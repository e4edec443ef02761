"""The embedded default: real handwritten digits that come with scikit-learn."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from vaebench.data.images.base import Images, Raw

FILE = Path("datasets", "data", "digits.csv.gz")
"""In scikit-learn's folder: a line of 64 grey values and the label for each digit."""


class Digits(Images):
    """1797 handwritten digits of 8x8 pixels and 17 grey levels (Alpaydin, Kaynak 1998)."""

    def read(self) -> tuple[Raw, Raw | None]:
        found = find_spec("sklearn")
        assert found is not None  # a dependency
        assert found.origin is not None
        # Imported, it would take half a second, most of it for statistics.
        rows = np.loadtxt(Path(found.origin).parent / FILE, delimiter=",", dtype=np.uint8)
        x, label = torch.from_numpy(rows).split([64, 1], 1)
        return Raw(x.reshape(-1, 1, 8, 8), 17, label.flatten().long()), None
