"""Where examples lie in latent space, in two dimensions and coloured by label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from vaebench.data.seeds import PICTURES, derived
from vaebench.measures.base import Inapplicable
from vaebench.measures.modalities import codes_by_modality
from vaebench.measures.probes import codes_by_latent
from vaebench.pictures.paper import new_figure, save
from vaebench.pictures.view import View

PERPLEXITY = 30
DISTINCT = 20  # as many classes have colours of their own


def pca(view: View) -> list[Path]:
    """The two directions in which the codes E_q[z | x] vary most."""
    from sklearn.decomposition import PCA

    found, y = _codes(view)
    paths = []
    for name, z in found.items():
        if len(z) < 2:
            raise Inapplicable("one example has no principal components")
        fitted = PCA(2).fit(z)
        first, second = fitted.explained_variance_ratio_
        names = (f"first component ({first:.0%} of the variance)", f"second ({second:.0%})")
        path, title = view.folder / f"pca{name}.png", f"PCA of the codes{_of(name)}"
        paths.append(_scatter(path, fitted.transform(z), y, title, names))
    return paths


def tsne(view: View) -> list[Path]:
    """Codes arranged so that neighbours stay neighbours (van der Maaten, Hinton 2008)."""
    found, y = _codes(view)
    paths = []
    for name, z in found.items():
        placed, perplexity = _neighbours(view, z)
        title = f"t-SNE of the codes{_of(name)}, perplexity {perplexity:.0f}"
        path = view.folder / f"tsne{name}.png"
        paths.append(_scatter(path, placed, y, title, ("", "")))
    return paths


def modality_map(view: View) -> list[Path]:
    """Draws z ~ q(z | x_m) of each modality m of the same examples, by t-SNE, coloured by modality."""
    codes = codes_by_modality(view.subject, view.mapped)
    names = np.repeat([*codes], [len(z) for z in codes.values()])
    placed, perplexity = _neighbours(view, torch.cat([*codes.values()]).numpy())
    title = f"t-SNE of draws by modality, perplexity {perplexity:.0f}"
    return [_scatter(view.folder / "modality_map.png", placed, names, title, ("", ""), "seen")]


def _neighbours(view: View, z: np.ndarray) -> tuple[np.ndarray, float]:
    """Codes `[N, D]` as points `[N, 2]`, and with which perplexity."""
    from sklearn.manifold import TSNE

    if len(z) < 4:
        raise Inapplicable(f"t-SNE of {len(z)} examples shows nothing")
    perplexity = min(PERPLEXITY, (len(z) - 1) / 3)
    seed = derived(view.subject.seed, PICTURES)
    found = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(z)
    return found, perplexity


def _codes(view: View) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """All latents side by side, by no name; where classes stand beside real numbers, each by its
    own, such as `_z`. And the labels."""
    found, y = codes_by_latent(view.subject, view.mapped)
    kinds = {view.classes(name) for name in found}
    if len(kinds) == 1:
        maps = {"": torch.cat([*found.values()], 1)}
    else:
        maps = {f"_{name}": z for name, z in found.items()}
    if min(z.shape[1] for z in maps.values()) < 2:
        raise Inapplicable("the latent is a single number")
    return {name: z.numpy() for name, z in maps.items()}, None if y is None else y.numpy()


def _of(name: str) -> str:
    """In a title."""
    return f" {name[1:]}" if name else ""


def _scatter(
    path: Path,
    points: np.ndarray,
    y: np.ndarray | None,
    title: str,
    names: tuple[str, str],
    legend: str = "label",
) -> Path:
    from matplotlib import colormaps

    figure = new_figure(6.2, 5.4)
    axes, (across, up) = figure.subplots(), points.T
    style: dict[str, Any] = {"s": 9, "alpha": 0.8, "linewidths": 0}
    if y is None:
        axes.scatter(across, up, color="#4c72b0", **style)
    elif len(classes := np.unique(y)) <= DISTINCT:
        colours = colormaps["tab10" if len(classes) <= 10 else "tab20"]
        for i, c in enumerate(classes):
            axes.scatter(across[y == c], up[y == c], color=colours(i), label=str(c), **style)
        beside: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1, 0.5)}
        axes.legend(title=legend, frameon=False, markerscale=2, **beside)
    else:
        figure.colorbar(axes.scatter(across, up, c=y, **style), label="label")
    axes.set(title=f"{title} ({len(points)} examples)", xlabel=names[0], ylabel=names[1])
    if not any(names):
        axes.set(xticks=[], yticks=[])
    axes.spines[["top", "right"]].set_visible(False)
    return save(figure, path)
