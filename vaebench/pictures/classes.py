"""What a class is and what a style is: of models with a latent class, and of those under a label."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from vaebench.inference import encode, expected, generate_at, simulate
from vaebench.measures.class_samples import classes_of, of_class
from vaebench.pictures.paper import save_sheet
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


def _classes(view: View) -> tuple[str, Tensor]:
    """The name of the class, and the first 24 of its values.

    Raises:
        Inapplicable: there is none, or no image.
    """
    _ = view.name
    name, values = classes_of(view.subject)
    return name, values[:MOST_CLASSES]
