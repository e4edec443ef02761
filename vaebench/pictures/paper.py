"""What pictures are drawn on: grids of images, sheets with labels, animations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHORTEST_SIDE = 48  # pixels of one image in a grid
BORDER = 0.6  # grey of the lines between images
GAP = 10  # pixels between bands of examples
DPI = 110
FRAME = 80  # milliseconds


def enlarged(images: Tensor) -> Tensor:
    """Images `[n, C, H, W]` in [0, 1], on the CPU, at a size one can look at, in whole pixels."""
    factor = max(1, math.ceil(SHORTEST_SIDE / min(images.shape[-2:])))
    return F.interpolate(images.detach().cpu().float().clamp(0, 1), scale_factor=factor)


class Box(NamedTuple):
    """A rectangle in pixels of an image, the middle of the first being 1."""

    left: float
    top: float
    right: float
    bottom: float


def coloured(images: Tensor) -> Tensor:
    """Images of three channels, `[n, 3, H, W]`."""
    return images.expand(-1, 3, -1, -1)


def boxed(images: Tensor, layers: Sequence[Sequence[Box]], colour: tuple[int, int, int]) -> Tensor:
    """Enlarged images `[n, 3, H', W']`, each with the outlines of its boxes: one of each layer, which
    holds a box of every image or none at all."""
    from PIL import Image, ImageDraw

    large, boxes = coloured(enlarged(images)), [*zip(*layers, strict=True)]
    if not boxes:
        return large
    factor = large.shape[-1] / images.shape[-1]
    found = []
    for pixels, own in zip(large, boxes, strict=True):
        picture = Image.fromarray(_pixels(pixels))
        for box in own:
            ends = [round((end - 0.5) * factor) for end in box]
            ImageDraw.Draw(picture).rectangle(ends, outline=colour, width=2)
        found.append(torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255)
    return torch.stack(found)


def joined(images: Tensor, columns: int) -> Tensor:
    """Images `[n, C, H, W]` side by side, `[C, H', W']`."""
    from torchvision.utils import make_grid  # 1.5 s that no refusal should wait for

    return make_grid(enlarged(images), columns, padding=2, pad_value=BORDER)


def save_grid(path: Path, images: Tensor, columns: int) -> Path:
    """Images `[n, C, H, W]` in [0, 1] as one PNG."""
    from torchvision.utils import save_image

    save_image(joined(images, columns), path)
    return path


def save_sheet(
    path: Path, images: Tensor, rows: Sequence[str], columns: Sequence[str], title: str
) -> Path:
    """Images `[rows · columns, C, H, W]` as one PNG whose rows and columns are named."""
    grid = joined(images, len(columns))
    across, down = _centres(len(columns), grid.shape[2]), _centres(len(rows), grid.shape[1])
    figure, axes = _framed(grid, 1.4, title)
    axes.set_xticks(across, columns, fontsize=9)
    axes.set_yticks(down, rows, fontsize=9)
    return save(figure, path, bbox_inches="tight")  # whatever the length of the names


def save_bands(path: Path, kinds: Mapping[str, Tensor], columns: int, title: str) -> Path:
    """Several images of each example, `[n, C, H, W]` by what they are called, as one PNG in bands."""
    grid, down = banded(kinds, columns)
    figure, axes = _framed(grid, 1, title)
    axes.set_xticks([])
    axes.set_yticks(down, list(kinds) * (len(down) // len(kinds)), fontsize=9)
    return save(figure, path, bbox_inches="tight")


def banded(kinds: Mapping[str, Tensor], columns: int) -> tuple[Tensor, list[float]]:
    """Bands of so many examples side by side, their kinds one below the other, `[C, H', W']`, and
    the middle of each row."""
    split = [images.detach().cpu().split(columns) for images in kinds.values()]
    grids = [joined(torch.cat(band), len(band[0])) for band in zip(*split, strict=True)]
    height, width = grids[0].shape[1:]
    bands = [F.pad(grid, (0, width - grid.shape[2], 0, GAP), value=1) for grid in grids]
    middles = _centres(len(kinds), height)
    down = [i * (height + GAP) + float(y) for i in range(len(grids)) for y in middles]
    return torch.cat(bands, 1)[:, :-GAP], down


def _framed(grid: Tensor, scale: float, title: str) -> tuple[Figure, Axes]:
    """A figure that an image `[C, H, W]` fills, so that its pixels stay whole at a whole scale;
    names lie outside."""
    height, width = (side / DPI * scale for side in grid.shape[1:])
    figure = new_figure(width, height, layout=None)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(grid.permute(1, 2, 0).numpy(), interpolation="nearest")
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=11)
    return figure, axes


def _centres(n: int, size: int) -> np.ndarray:
    return (np.arange(n) + 0.5) * size / n


def save_animation(
    path: Path, frames: Sequence[Tensor], columns: int, *, pace: int = FRAME, hold: int = 0
) -> Path:
    """Frames of images `[n, C, H, W]`, each a grid, as a GIF that goes there and back.

    Args:
        pace: milliseconds of a frame.
        hold: milliseconds of the last, after which it begins anew; 0: it goes back.
    """
    from PIL import Image

    there = [_pixels(joined(images, columns)) for images in frames]
    shown = [Image.fromarray(pixels) for pixels in (there if hold else [*there, *there[-2:0:-1]])]
    times = [*[pace] * (len(shown) - 1), hold or pace]
    shown[0].save(path, save_all=True, append_images=shown[1:], duration=times, loop=0)
    return path


def _pixels(image: Tensor) -> np.ndarray:
    return (image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def new_figure(
    width: float, height: float, layout: Literal["constrained"] | None = "constrained"
) -> Figure:
    """An empty figure of so many inches."""
    from matplotlib.figure import Figure  # as slow to load as torchvision's

    return Figure(figsize=(width, height), layout=layout)


def save(figure: Figure, path: Path, **options: Any) -> Path:
    """A figure as PNG."""
    figure.savefig(path, dpi=DPI, **options)
    return path
