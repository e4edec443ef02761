"""Curves of a run's history."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vaebench.pictures.paper import new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BEGINNING = 0.25  # of the steps
REACH = 15
"""How many times what the rest of a curve spans its beginning may take of a panel."""

Points = list[tuple[int, float]]

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
    shown = [n for n in names if len(_finite(series.get(f"train/{n}", []))) > 1]
    if not shown:
        return None
    figure = new_figure(4.2 * len(shown), 3.2)
    for axes, name in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        both = {part: series.get(f"{part}/{name}", []) for part in ("train", "val")}
        _plot(axes, both)
        axes.set(title=name, xlabel="step", ylabel="nats per example")
        _zoom(axes, [point for points in both.values() for point in points])
        axes.grid(alpha=0.25)
        annealed = [n for n in ANNEALED if name == "kl" and n in series]
        for weight in annealed:
            _weight(axes, series[weight], ANNEALED[weight])
        # The best place is found without regard to the weight, which rises to the top.
        axes.legend(frameon=False, loc="center right" if annealed else "best")
        axes.spines[["top", "right"]].set_visible(False)
    return save(figure, path)


def _plot(axes: Axes, both: dict[str, Points]) -> None:
    """A line for each part; a line of one point would not be seen."""
    for (part, points), colour in zip(both.items(), ("#4c72b0", "#dd8452"), strict=True):
        if known := _finite(points):
            marker = "o" if len(known) == 1 else ""
            steps, values = np.array(points).T
            axes.plot(steps, values, color=colour, label=part, linewidth=1.5, marker=marker)


def _finite(points: Points) -> Points:
    return [(step, value) for step, value in points if math.isfinite(value)]


def _weight(axes: Axes, points: Points, label: str) -> None:
    """What was annealed, on a scale of its own, as in figure 2 of Bowman et al. 2016."""
    beside = axes.twinx()
    beside.plot(*np.array(points).T, color="#777777", linestyle=":", linewidth=1.5)
    beside.set(ylabel=f"{label} (dotted)", ylim=(-0.03, None))
    beside.spines["top"].set_visible(False)


def _zoom(axes: Axes, points: Points) -> None:
    """Says what of a plunge is off the scale, so that the rest can be read."""
    points = sorted(_finite(points))
    low, high = window(points)
    if not high > low:
        return
    axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    inside = [step for step, value in points if low <= value <= high]
    least, most = (f(points, key=lambda point: point[1]) for f in (min, max))
    if least[1] < low:
        _note(axes, "↓", least, inside)
    if most[1] > high:
        _note(axes, "↑", most, inside)


def window(points: Sequence[tuple[int, float]]) -> tuple[float, float]:
    """What a panel shows of values: all of them, but of the outermost 4 % none that lies REACH times
    farther out than what the central 80 % of those after the beginning span."""
    if not points:
        return 0.0, 0.0
    steps, values = np.array(points).T
    late = values[steps >= steps.min() + BEGINNING * np.ptp(steps)]
    low, high = np.quantile(late, [0.1, 0.9])
    reach = REACH * (high - low) or math.inf
    least, most = np.quantile(values, [0.02, 0.98])
    low, high = min(low - reach, least), max(high + reach, most)
    return float(max(values.min(), low)), float(min(values.max(), high))


def _note(axes: Axes, arrow: str, point: tuple[int, float], inside: Sequence[int]) -> None:
    """Where a curve leaves the panel, beside it."""
    step, value = point
    early = step < (inside[0] + inside[-1]) / 2
    beside = min((s for s in inside if s > step), default=inside[-1]) if early else step
    axes.annotate(
        f"{arrow} {value:.4g} at step {step}".replace("-", "−"),
        (beside, 0.03 if arrow == "↓" else 0.97),
        xycoords=("data", "axes fraction"),
        xytext=(3 if early else -6, 0),
        textcoords="offset points",
        ha="left" if early else "right",
        va="bottom" if arrow == "↓" else "top",
        fontsize=8,
        color="#555555",
    )
