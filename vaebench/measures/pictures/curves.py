"""Curves of a run's history."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vaebench.measures.pictures.paper import DPI, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ANNEALED = {
    "train/kl_weight": "weight of the KL",
    "train/inverse_temperature": "inverse temperature",
}


def curves(path: Path, rows: list[dict[str, str]]) -> Path | None:
    """Training and validation against the step, a panel each for bound, recon and kl, or the
    loss; the KL beside what was annealed."""
    series = {
        name: [(int(r["step"]), float(r[name])) for r in rows if r.get(name)]
        for name in (rows[0] if rows else {})
    }
    names = ("bound", "recon", "kl") if "train/bound" in series else ("loss",)
    shown = [n for n in names if len(series.get(f"train/{n}", [])) > 1]
    if not shown:
        return None
    figure = new_figure(4.2 * len(shown), 3.2)
    for axes, name in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        for part, colour in (("train", "#4c72b0"), ("val", "#dd8452")):
            points = series.get(f"{part}/{name}", [])
            if points:
                axes.plot(*np.array(points).T, color=colour, label=part, linewidth=1.5)
        axes.set(title=name, xlabel="step", ylabel="nats per example")
        _zoom(axes, [v for _, v in series[f"train/{name}"]])
        axes.grid(alpha=0.25)
        for annealed, label in ANNEALED.items():
            if name == "kl" and annealed in series:
                _weight(axes, series[annealed], label)
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=DPI)
    return path


def _weight(axes: Axes, points: list[tuple[int, float]], label: str) -> None:
    """What was annealed, on a scale of its own, as in figure 2 of Bowman et al. 2016."""
    beside = axes.twinx()
    beside.plot(*np.array(points).T, color="#777777", linestyle=":", linewidth=1.5)
    beside.set(ylabel=f"{label} (dotted)", ylim=(-0.03, None))
    beside.spines["top"].set_visible(False)


def _zoom(axes: Axes, values: list[float]) -> None:
    """Leaves the plunge of the first steps off the scale, so that the rest can be read."""
    finite = [v for v in values if math.isfinite(v)]
    low, high = np.quantile(finite, [0.02, 0.98])
    if high > low:
        axes.set_ylim(low - 0.15 * (high - low), high + 0.15 * (high - low))
