"""What each dimension of a code knows of each factor, as a heatmap."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vaebench.measures.base import Inapplicable
from vaebench.measures.disentanglement.base import coded
from vaebench.measures.disentanglement.information import entropies, information
from vaebench.pictures.paper import new_figure, save
from vaebench.pictures.view import View

EXAMPLES = 10_000
MOST = 40  # dimensions that are shown


def factors(view: View) -> list[Path]:
    """I(z_d; v_k) / H(v_k) of each dimension of the code and each factor, those that know most first."""
    found, names = coded(view.subject, EXAMPLES)
    if not names:
        raise Inapplicable("no factor has two values")
    shares = information(found) / entropies(found)
    order = np.argsort(-shares.sum(1))[:MOST]
    dimensions = [(n, d) for n, z in view.codes.items() for d in range(z[0].numel())]
    labels = [f"{dimensions[i][0]}.{dimensions[i][1]}" for i in order]
    figure = new_figure(1.6 + 0.9 * len(names), 1.2 + 0.32 * len(order))
    axes = figure.subplots()
    shown = axes.imshow(shares[order], cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), share in np.ndenumerate(shares[order]):
        colour = "white" if share > 0.5 else "black"
        axes.text(column, row, f"{share:.2f}", ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_title("I(z; v) / H(v)", fontsize=11)
    figure.colorbar(shown)
    return [save(figure, view.folder / "factors.png")]
