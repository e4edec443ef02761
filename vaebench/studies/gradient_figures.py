"""Variances of gradient estimators as panels."""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING, Any

from vaebench.pictures.paper import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figures(rows: list[dict[str, Any]], ks: list[int]) -> dict[str, Figure]:
    """Variance and signal-to-noise ratio of the parts of q against k, a panel for each."""
    return {quantity: _figure(rows, quantity, ks) for quantity in ("variance", "snr")}


def _figure(rows: list[dict[str, Any]], quantity: str, ks: list[int]) -> Figure:
    bounds = list(dict.fromkeys(row["bound"] for row in rows))
    parts = list(dict.fromkeys(row["part"] for row in rows))
    figure = new_figure(3.6 * len(parts) + 2.2, 3.0 * len(bounds))
    panels = figure.subplots(len(bounds), len(parts), squeeze=False)
    names = list(dict.fromkeys(row["estimator"] for row in rows))
    for axes, (bound, part) in zip(panels.flat, product(bounds, parts), strict=True):
        for colour, name in enumerate(names):
            wanted = (bound, part, name)
            here = [r for r in rows if (r["bound"], r["part"], r["estimator"]) == wanted]
            # What has no noise stands at neither end of a logarithmic axis.
            if any(0 < r[quantity] < math.inf for r in here):
                style = {"color": f"C{colour % 10}", "ls": "-" if colour < 10 else "--"}
                values = [r["k"] for r in here], [r[quantity] for r in here]
                axes.plot(*values, "o", ms=3, label=name, **style)
        axes.set(title=f"{bound}, {part}", xlabel="k", xscale="log", yscale="log")
        axes.set_xticks(ks, [str(k) for k in ks])
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    for row in panels:
        row[0].set_ylabel(f"{quantity} of the gradient")
    found = [axes.get_legend_handles_labels() for axes in panels.flat]
    every = {label: h for handles in found for h, label in zip(*handles, strict=True)}
    figure.legend(every.values(), every, loc="outside right upper", frameon=False, fontsize=8)
    return figure
