"""How short examples become when they are packed without loss."""

from __future__ import annotations

import io
import zlib

import numpy as np
import torch
from torch import Tensor

from vaebench.data import Field, Support


def is_image(x: Tensor) -> bool:
    """Of examples `[B, *shape]`, whether they are grey or coloured."""
    return x.ndim == 4 and x.shape[1] in (1, 3)


PACKED = (Support.BINARY, Support.LEVELS, Support.UNIT)


def packed(x: Tensor, field: Field) -> Tensor:
    """Bits of each example in a file without loss, `[B]`: PNG of images, zlib of other shapes.

    Grey values that are continuous are taken in their levels, or in 256.

    Args:
        x: values in [0, 1], `[B, *shape]`.
        field: what they are.
    """
    levels = field.levels or 256
    scaled = x * levels if field.support is Support.UNIT else (x * (levels - 1)).round()
    grey = scaled.clamp(0, levels - 1).byte().numpy()
    size = _png if is_image(x) else _zlib
    return torch.tensor([8.0 * size(one, levels) for one in grey], dtype=torch.float64)


def _png(image: np.ndarray, levels: int) -> int:
    """Bytes of an image `[C, H, W]`."""
    from PIL import Image

    made = Image.fromarray(image[0] if len(image) == 1 else np.moveaxis(image, 0, -1))
    if levels == 2 and len(image) == 1:
        made = made.point(lambda grey: 255 * grey, "1")
    file = io.BytesIO()
    made.save(file, "PNG", optimize=True)
    return len(file.getvalue())


def _zlib(values: np.ndarray, levels: int) -> int:
    """Bytes of values of any shape."""
    return len(zlib.compress((np.packbits(values) if levels == 2 else values).tobytes(), 9))
