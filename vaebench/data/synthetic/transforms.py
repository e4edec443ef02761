"""What is done to a picture: moved in its plane, and its colours changed.

A transform is eight numbers in [-1, 1], 0 where nothing is done: by how much it is turned, moved to
the right and up, enlarged and stretched; and its hue, saturation and brightness changed.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

MOST = {
    "rotation": math.radians(12),
    "right": 0.08,
    "up": 0.08,
    "zoom": 0.12,  # of the logarithm
    "stretch": 0.08,  # of the logarithm
    "hue": 0.15,  # of the circle
    "saturation": 0.7,  # of the exponent's logarithm
    "brightness": 0.7,  # of the exponent's logarithm
}
"""What 1 stands for."""


def placed(transform: Tensor) -> Tensor:
    """The affine map of the plane p → R S p + d that puts a picture into its place, with the rotation
    R, the sizes S and the shift d.

    Args:
        transform: `[B, 8]`.

    Returns:
        `[B, 2, 3]`.
    """
    turn, shift, sizes = _in_plane(transform)
    return torch.cat([turn * sizes.unsqueeze(1), shift.unsqueeze(-1)], -1)


def unplaced(transform: Tensor) -> Tensor:
    """The inverse of `placed`: p → S⁻¹ Rᵀ (p - d), `[B, 2, 3]`."""
    turn, shift, sizes = _in_plane(transform)
    back = turn.mT / sizes.unsqueeze(-1)
    return torch.cat([back, -back @ shift.unsqueeze(-1)], -1)


def _in_plane(transform: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """R `[B, 2, 2]`, d `[B, 2]` and the diagonal of S `[B, 2]`."""
    angle, right, up, zoom, stretch, *_ = _scaled(transform)
    sin, cos = angle.sin(), angle.cos()
    turn = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    sizes = torch.stack([zoom + stretch, zoom - stretch], -1).exp()
    return turn, torch.stack([right, up], -1), sizes


def tinted(rgb: Tensor, transform: Tensor) -> Tensor:
    """Images `[B, 3, H, W]` in [0, 1] with h → h + a, s → s^b and v → v^c of hue, saturation and
    brightness."""
    *_, hue, saturation, brightness = (v[:, None, None] for v in _scaled(transform))
    h, s, v = to_hsv(rgb).unbind(1)
    return to_rgb(torch.stack([h + hue, s ** saturation.exp(), v ** brightness.exp()], 1))


def untinted(rgb: Tensor, transform: Tensor) -> Tensor:
    """The inverse of `tinted`: of opposite numbers."""
    return tinted(rgb, -transform)


def _scaled(transform: Tensor) -> tuple[Tensor, ...]:
    """Each number in its own unit, `[B]`."""
    return (transform * transform.new_tensor([*MOST.values()])).unbind(-1)


def to_hsv(rgb: Tensor) -> Tensor:
    """Hue, saturation and brightness `[B, 3, *]` of red, green and blue, all in [0, 1]; the hue of grey
    is 0."""
    r, g, b = rgb.unbind(1)
    v, least = rgb.amax(1), rgb.amin(1)
    range_ = v - least
    safe = torch.where(range_ > 0, range_, 1.0)
    h = torch.where(
        v == r, (g - b) / safe, torch.where(v == g, 2 + (b - r) / safe, 4 + (r - g) / safe)
    )
    s = range_ / torch.where(v > 0, v, 1.0)
    return torch.stack([(h / 6) % 1, s, v], 1)


def to_rgb(hsv: Tensor) -> Tensor:
    """The inverse of `to_hsv`; hues are taken round the circle."""
    h, s, v = hsv.unbind(1)

    def channel(n: int) -> Tensor:
        k = (n + 6 * h) % 6
        return v - v * s * torch.minimum(k, 4 - k).clamp(0, 1)

    return torch.stack([channel(n) for n in (5, 3, 1)], 1)
