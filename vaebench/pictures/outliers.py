"""Outliers beside the data: how their scores lie, and which examples are likeliest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vaebench.measures.outliers import DATA, IMAGES
from vaebench.pictures.paper import coloured, enlarged, new_figure, save, save_sheet

Sets = Mapping[str, Mapping[str, Tensor]]
"""Scores `[N]` of each set, and perhaps its images `[N, C, H, W]` in bytes."""

BINS = 60
TAIL = 0.005
"""The share of all examples at either end that histograms leave out."""

BLUE, RED = (0.12, 0.47, 0.71), (0.84, 0.15, 0.16)
FRAME = 4
MOST = 12


def histograms(path: Path, sets: Sets, titles: Mapping[str, str]) -> Path:
    """A panel for each score: the data filled, each set of outliers as a line.

    Args:
        titles: of the scores, by name.
    """
    columns = min(3, len(titles))
    rows = -(-len(titles) // columns)
    figure = new_figure(4.2 * columns, 3 * rows)
    for place, (score, title) in enumerate(titles.items(), 1):
        axes = figure.add_subplot(rows, columns, place)
        values = {name: found[score].numpy() for name, found in sets.items()}
        low, high = np.quantile(np.concatenate([*values.values()]), [TAIL, 1 - TAIL])
        bins = np.linspace(low, max(high, low + 1e-9), BINS)
        for name, of in values.items():
            style = {"color": "0.75", "histtype": "stepfilled"} if name == DATA else {}
            shares = np.full(len(of), 1 / len(of))
            axes.hist(of, bins, weights=shares, **({"histtype": "step"} | style), label=name)
        axes.set_title(title, fontsize=10)
        axes.set_yscale("log")
        axes.tick_params(labelsize=8)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=len(sets))
    return save(figure, path)


def ranked(path: Path, sets: Sets, score: str, title: str) -> Path:
    """Of the data and each set of outliers together, the examples of the least and of the largest
    score: data framed in blue, outliers in red."""
    rows, images = list[str](), list[Tensor]()
    n = min(MOST, *(len(found[score]) for found in sets.values()))
    for name in [name for name in sets if name != DATA]:
        both = [sets[DATA], sets[name]]
        order = torch.cat([found[score] for found in both]).argsort()
        size = len(both[0][score])
        for end, which in (("least", order[:n]), ("most", order[-n:].flip(0))):
            rows.append(f"{name}: {end} {score}")
            images += [_framed(both[int(i >= size)], int(i % size if i < size else i - size), i >= size) for i in which.tolist()]
    return save_sheet(path, torch.stack(images), rows, [str(i + 1) for i in range(n)], title)


def _framed(found: Mapping[str, Tensor], row: int, is_outlier: bool) -> Tensor:
    """One image in its frame, `[3, H', W']`."""
    large = coloured(enlarged(found[IMAGES][row : row + 1] / 255))[0]
    whole = F.pad(large, (FRAME,) * 4)
    frame = torch.tensor(RED if is_outlier else BLUE).view(3, 1, 1).expand_as(whole).clone()
    frame[:, FRAME:-FRAME, FRAME:-FRAME] = large
    return frame
