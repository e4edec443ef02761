"""Outliers beside the data: how their scores lie, and which examples are likeliest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vaebench.measures.outliers import DATA, IMAGES
from vaebench.pictures.paper import coloured, enlarged, new_figure, save, save_sheet

Sets = Mapping[str, Mapping[str, Tensor]]
"""Scores `[N]` of each set, and perhaps its images `[N, C, H, W]` in bytes."""

BINS = 60
TAIL = 0.005
"""The share of the data at either end that their width leaves out."""

BEYOND = 1
"""How many widths of the data a histogram shows on either side; what lies farther is in its last bin."""

TALLER = 1.2
"""How much taller a panel is than its bins, but for the first and the last."""

ENDS = {"nll": ("likeliest", "unlikeliest")}
"""What is said of the least and of the largest score; of others that they are near and far."""

BLUE, RED = (0.12, 0.47, 0.71), (0.84, 0.15, 0.16)
FRAME = 4
MOST = 12


def histograms(path: Path, sets: Sets, titles: Mapping[str, str]) -> Path:
    """A panel for each score: the data filled, each set of outliers as a line. Outliers that lie far
    off are in the last bin.

    Args:
        titles: of the scores, by name.
    """
    columns = min(3, len(titles))
    rows = -(-len(titles) // columns)
    figure = new_figure(4.2 * columns, 3 * rows)
    for place, (score, title) in enumerate(titles.items(), 1):
        axes = figure.add_subplot(rows, columns, place)
        values = {name: found[score].numpy() for name, found in sets.items()}
        bins, tallest = _bins(values), 0.0
        for i, (name, of) in enumerate(values.items()):
            heights = np.histogram(of.clip(bins[0], bins[-1]), bins)[0] / len(of)
            tallest = max(tallest, *heights[1:-1])
            fill, colour = (True, "0.75") if name == DATA else (False, f"C{i}")
            axes.stairs(heights, bins, fill=fill, color=colour, label=name)
        axes.set_ylim(0, TALLER * tallest or 1)
        axes.set_title(title, fontsize=10)
        axes.tick_params(labelsize=8)
    figure.suptitle("shares of examples; what lies farther off is in the last bin", fontsize=10)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=len(sets))
    return save(figure, path)


def _bins(values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Edges over all values that lie within reach of the data."""
    low, high = np.quantile(values[DATA], [TAIL, 1 - TAIL])
    every, width = np.concatenate([*values.values()]), max(high - low, 1e-9)
    ends = np.quantile(every, [TAIL, 1 - TAIL])
    left, right = max(ends[0], low - BEYOND * width), min(ends[1], high + BEYOND * width)
    return np.linspace(min(left, low), max(right, high, low + width), BINS)


def ranked(path: Path, sets: Sets, score: str, title: str) -> Path:
    """Of the data and each set of outliers together, the examples of the least and of the largest
    score: data framed in blue, outliers in red."""
    rows, images = list[str](), list[Tensor]()
    n = min(MOST, *(len(found[score]) for found in sets.values()))
    for name in sets:
        if name == DATA:
            continue
        ends = _ends(sets[DATA], sets[name], score, n)
        rows += [f"{name}: {end}" for end in ENDS.get(score, ("nearest", "farthest"))]
        images += [_framed(*one) for end in ends for one in end]
    return save_sheet(path, torch.stack(images), rows, [str(i + 1) for i in range(n)], title)


def _ends(
    data: Mapping[str, Tensor], outliers: Mapping[str, Tensor], score: str, n: int
) -> tuple[list[tuple[Tensor, bool]], ...]:
    """The n images of the least scores and those of the largest, and whether each is an outlier."""
    both, size = torch.cat([data[score], outliers[score]]), len(data[score])
    order = both.argsort().tolist()
    return tuple(
        [(outliers[IMAGES][i - size] if i >= size else data[IMAGES][i], i >= size) for i in end]
        for end in (order[:n], order[: -n - 1 : -1])
    )


def _framed(image: Tensor, is_outlier: bool) -> Tensor:
    """One image of bytes `[C, H, W]` in its frame, `[3, H', W']`."""
    large = coloured(enlarged(image.unsqueeze(0) / 255))[0]
    framed = torch.tensor(RED if is_outlier else BLUE).view(3, 1, 1)
    framed = framed.repeat(1, *(side + 2 * FRAME for side in large.shape[1:]))
    framed[:, FRAME:-FRAME, FRAME:-FRAME] = large
    return framed
