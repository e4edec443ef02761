"""What a class is and what a style is: of models with a latent class, of those under a label, of
mixtures."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from vaebench.distributions import Mixture
from vaebench.inference import encode, expected, generate_at, simulate
from vaebench.measures.base import Inapplicable
from vaebench.measures.class_samples import classes_of, of_class
from vaebench.pictures.paper import save_grid, save_sheet
from vaebench.pictures.view import MOST_CLASSES, View

ROWS, SAMPLES = 10, 10


@torch.no_grad()
def classes(view: View) -> list[Path]:
    """A row of samples of each class: E[x | z, c] at z ~ p(z), or p(z | c), the same noise in each."""
    name, values = _classes(view)
    rows = []
    for value in values:
        given = of_class(view.given, name, value, SAMPLES)
        trace = simulate(view.subject.model, SAMPLES, given, view.noise)
        rows.append(expected(trace, view.name).reshape(SAMPLES, *view.images.shape[1:]))
    names = [f"{name} = {i}" for i in range(len(values))]
    title = f"samples of each class {name}"
    return [save_sheet(view.folder / "classes.png", torch.cat(rows), names, [""] * SAMPLES, title)]


@torch.no_grad()
def styles(view: View) -> list[Path]:
    """A row for each example: E[x | z, c] at its own style z = E[z | x, c], once for each class."""
    name, values = _classes(view)
    count = min(ROWS, len(view))
    some = {key: value[:count] for key, value in view.batch.items()}
    z = {key: code for key, code in encode(view.subject.model, some).items() if key != name}
    columns = [view.images[:count]]
    for value in values:
        given = of_class(view.given, name, value, count)
        trace = generate_at(view.subject.model, z, given, view.noise)
        columns.append(expected(trace, view.name).reshape_as(columns[0]))
    sheet, names = torch.stack(columns, 1).flatten(0, 1), ["x", *map(str, range(len(values)))]
    title = f"the style of each example with each class {name}"
    return [save_sheet(view.folder / "styles.png", sheet, [""] * count, names, title)]


@torch.no_grad()
def components(view: View) -> list[Path]:
    """E[x | j] of each component of a mixture p(x), the weightiest first; 100 at most."""
    name = view.name
    view.subject.need_bound()
    given = {key: value[:1] for key, value in view.given.items()}
    density = simulate(view.subject.model, 1, given, view.noise)[name].dist
    if not isinstance(density, Mixture):
        raise Inapplicable(f"p({name}) is no mixture")
    order = density.log_weights.argsort(descending=True)[: ROWS * SAMPLES]
    means = density.components.mean[order].reshape(-1, *view.images.shape[1:])
    return [save_grid(view.folder / "components.png", means, SAMPLES)]


def _classes(view: View) -> tuple[str, Tensor]:
    """The name of the class, and the first 24 of its values.

    Raises:
        Inapplicable: there is none, or no image.
    """
    _ = view.name
    name, values = classes_of(view.subject)
    return name, values[:MOST_CLASSES]
