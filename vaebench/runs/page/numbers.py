"""Histories and values of test examples, packed: a thousand runs in a few megabytes."""

from __future__ import annotations

import base64
import gzip
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEPT_BITS = 16
"""Of the 23 of a fraction: a relative error of 2^-17, five significant digits."""


class Numbers:
    """Arrays behind one another, as 32-bit floats; of arrays that are equal, one."""

    def __init__(self) -> None:
        self.arrays: list[NDArray[np.float32]] = []
        self.known: dict[bytes, int] = {}
        self.size = 0

    def add(self, values: NDArray[Any], exact: bool = False) -> int:
        """Where an array begins.

        Args:
            values: one number each.
            exact: keep all bits, as steps need.
        """
        kept = values.astype("<f4") if exact else rounded(values)
        at = self.known.setdefault(kept.tobytes(), self.size)
        if at == self.size:
            self.arrays.append(kept)
            self.size += len(kept)
        return at

    def packed(self) -> str:
        """All of them in base64. Bytes of equal weight lie together, where they look alike: that
        is what makes them small."""
        whole = np.concatenate([np.zeros(0, "<f4"), *self.arrays]).view(np.uint8)
        planes = whole.reshape(-1, 4).T.tobytes()
        return base64.b64encode(gzip.compress(planes, 6, mtime=0)).decode()


def rounded(values: NDArray[Any]) -> NDArray[np.float32]:
    """The nearest floats of `KEPT_BITS` bits of fraction."""
    drop = 23 - KEPT_BITS
    bits = np.asarray(values, "<f4").view(np.uint32)
    finite = np.isfinite(values)
    bits = np.where(
        finite, (bits + (1 << (drop - 1))) & np.uint32(~((1 << drop) - 1) & 0xFFFFFFFF), bits
    )
    return bits.astype(np.uint32).view("<f4")
