"""What the latents of a factor stand for: how they answer to it, and what moving them shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vaebench.data import Factors
from vaebench.measures.base import Inapplicable
from vaebench.measures.disentanglement.base import Coded, coded, need_factors
from vaebench.measures.disentanglement.equivariance import equivariance, own_of
from vaebench.pictures.paper import new_figure, save, save_sheet
from vaebench.pictures.view import Point, View

EXAMPLES = 5000
STOPS = 9  # values of a factor that a sweep goes through
PEOPLE = 2  # examples that are swept


def equivariances(view: View) -> list[Path]:
    """Each ordered factor's own latent beside it: mean and standard deviation of E[z | x] at each of
    its values (Kulkarni, Whitney, Kohli, Tenenbaum 2015, figure 6)."""
    found, names, chosen = _chosen(view)
    figure = new_figure(3.2 * len(chosen), 3.0)
    for axes, (k, latents) in zip(
        figure.subplots(1, len(chosen), squeeze=False)[0], chosen.items(), strict=True
    ):
        _, own, others = equivariance(found, k, latents)
        values, mean, sd = _by_value(found, k, latents[0])
        axes.fill_between(values, mean - sd, mean + sd, alpha=0.25, linewidth=0)
        axes.plot(values, mean, marker="o", markersize=3)
        axes.set_xlabel(names[k])
        axes.set_ylabel(f"{_called(view, latents[0])}, mean ± sd")
        axes.set_title(f"R² own {own:.2f}, others {others:.2f}", fontsize=10)
    return [save(figure, view.folder / "equivariances.png")]


@torch.no_grad()
def sweeps(view: View) -> list[Path]:
    """E[x | z] with a factor's own latents moved to their means at each of its values, above the truth:
    the same example rendered with that factor moved."""
    data = need_factors(view.subject)
    _ = view.name
    found, names, chosen = _chosen(view)
    count = min(PEOPLE, len(view))
    rows, images = list[str](), list[Tensor]()
    for k, latents in chosen.items():
        levels = data.levels[names[k]]
        stops = torch.linspace(0, levels - 1, min(STOPS, levels)).round().long()
        if not {*stops.tolist()} <= {*found.v[:, k].tolist()}:
            raise Inapplicable(f"too few examples for each value of {names[k]}")
        for example in range(count):
            images += [
                _moved(view, found, k, latents, stops, example),
                _truth(view, data, names[k], stops, example),
            ]
            rows += [f"{names[k]}: {', '.join(_called(view, d) for d in latents)}", "rendered"]
    width = max(len(each) for each in images)
    if any(len(each) < width for each in images):
        images = [
            torch.cat([each, each.new_ones(width - len(each), *each.shape[1:])]) for each in images
        ]
    title = "a factor's own latents at their means of its values"
    columns = [""] * width
    return [save_sheet(view.folder / "sweeps.png", torch.cat(images), rows, columns, title)]


def _chosen(view: View) -> tuple[Coded, tuple[str, ...], dict[int, tuple[int, ...]]]:
    """Codes, the names of their factors, and by the number of each ordered one its latents: those that
    the objective gives it, else the one that tells most."""
    found, names = coded(view.subject, EXAMPLES)
    kept = [k for k, n in enumerate(names) if n in need_factors(view.subject).ordered]
    if not kept:
        raise Inapplicable("no factor of the data is ordered and has two values")
    own = {k: own_of(view.subject, names[k]) for k in kept}
    return found, names, {k: d or (equivariance(found, k)[0],) for k, d in own.items()}


def _by_value(found: Coded, factor: int, latent: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values of a factor, and mean and standard deviation of a latent's codes at each."""
    values = np.unique(found.v[:, factor])
    codes = [found.z[found.v[:, factor] == value, latent] for value in values]
    return values, np.array([z.mean() for z in codes]), np.array([z.std() for z in codes])


def _called(view: View, dimension: int) -> str:
    """A dimension of all latents side by side, as `z.0`."""
    every = [f"{n}.{d}" for n, z in view.codes.items() for d in range(z[0].numel())]
    return every[dimension]


def _moved(
    view: View, found: Coded, factor: int, latents: tuple[int, ...], stops: Tensor, example: int
) -> Tensor:
    """An example decoded with some of its code at their means of a factor's values, `[T, C, H, W]`."""
    code = torch.cat([z[example].flatten() for z in view.codes.values()]).repeat(len(stops), 1)
    for d in latents:
        means = [found.z[found.v[:, factor] == stop, d].mean() for stop in stops.tolist()]
        code[:, d] = torch.tensor(means).to(code)
    return view.decode(_point(view, code), example)


def _point(view: View, code: Tensor) -> Point:
    """All latents side by side `[T, D]`, by name again."""
    sizes = [z[0].numel() for z in view.codes.values()]
    parts = zip(view.codes.items(), code.split(sizes, 1), strict=True)
    return {name: part.reshape(len(code), *z.shape[1:]) for (name, z), part in parts}


def _truth(view: View, data: Factors, factor: str, stops: Tensor, example: int) -> Tensor:
    """An example rendered at a factor's values, `[T, C, H, W]`."""
    own = torch.stack([view.batch[name][example].cpu() for name in data.levels])
    values = own.repeat(len(stops), 1)
    values[:, [*data.levels].index(factor)] = stops
    return data.render(values).to(view.images)
