"""Crops of an image at a place, fine in the middle and coarse around it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vaebench.nets.base import Shape


class Retina(nn.Module):
    """Crops of whole pixels around one place: that of scale s is N · 2^s pixels wide, averaged over
    squares of 2^s pixels. Outside the image all is 0. Nothing of it has a slope in the place.

    A place is (x, y): (-1, -1) is the image's top left corner and (1, 1) its bottom right one.

    Args:
        n: N, pixels on each side of a crop once it is averaged.
        scales: how many crops.
        size: (rows, columns) of the images.

    References:
        Recurrent Models of Visual Attention (Mnih, Heess, Graves, Kavukcuoglu 2014), section 3.1,
        https://arxiv.org/abs/1406.6247
    """

    widths: Tensor
    ends: Tensor

    def __init__(self, n: int, scales: int, size: Shape) -> None:
        super().__init__()
        self.n, self.scales, self.size = n, scales, size
        rows, columns = size
        self.register_buffer("widths", 2.0 ** torch.arange(scales), persistent=False)
        self.register_buffer("ends", torch.tensor([float(columns), float(rows)]), persistent=False)

    def corners(self, places: Tensor) -> Tensor:
        """Pixels to the left of each crop and above it, `[*, 2]` → `[*, scales, 2]`."""
        middle = (places + 1) / 2 * self.ends
        half = self.n / 2 * self.widths
        return (middle.unsqueeze(-2) - half.unsqueeze(-1)).round()

    def covered(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Whether a pixel of a crop covers each row of the image, `[*, scales, N, rows]`, and each
        column, `[*, scales, N, columns]`."""
        pixels = torch.arange(max(self.size), device=places.device)
        steps = self.widths.unsqueeze(-1) * torch.arange(self.n, device=places.device)
        first = self.corners(places).unsqueeze(-1) + steps.unsqueeze(-2)
        offset = pixels - first.unsqueeze(-1)  # [*, scales, 2, N, pixels]
        width = self.widths[:, None, None, None]
        across, down = ((offset >= 0) & (offset < width)).unbind(-3)
        rows, columns = self.size
        return down[..., :rows], across[..., :columns]

    def forward(self, images: Tensor, places: Tensor) -> Tensor:
        """Images `[*, C, rows, columns]` at places `[*, 2]` → `[*, C · scales, N, N]`; leading
        dimensions broadcast."""
        down, across = (mask.to(images.dtype) for mask in self.covered(places))
        # All scales as rows of one product: the image is not copied for each of them.
        rows = down.flatten(-3, -2).unsqueeze(-3) @ images
        sums = rows.unflatten(-2, (self.scales, self.n)) @ across.unsqueeze(-4).mT
        return (sums / self.widths.square()[:, None, None]).flatten(-4, -3)
