"""What a class is and what a style is: of models with a latent class, of those under a label, of
mixtures."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from vaebench.distributions import Mixture
from vaebench.inference import encode, expected, generate_at, simulate
from vaebench.measures.base import Inapplicable
from vaebench.pictures.paper import save_grid, save_sheet
from vaebench.pictures.view import MOST_CLASSES, View

ROWS, SAMPLES = 10, 10


@torch.no_grad()
def classes(view: View) -> list[Path]:
    """A row of samples of each class: E[x | z, c] at z ~ p(z), or p(z | c), the same noise in each."""
    name, values = _classes(view)
    rows = []
    for value in values:
        given = _given(view, name, value, SAMPLES)
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
        given = _given(view, name, value, count)
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
    """The name of the class and all its values: of a latent that is one of several classes, `[C, C]`,
    or of the label that the model is under, `[C]`; 24 at most.

    Raises:
        Inapplicable: there is no class, or nothing beside it that could be a style.
    """
    _ = view.name
    view.subject.need_bound()
    device, label = view.subject.device, view.label
    latents = view.subject.latents
    if label:
        levels = view.subject.composition.data.spec[label].levels
        return label, torch.arange(levels, device=device)[:MOST_CLASSES]
    for name in latents if len(latents) > 1 else ():
        if view.classes(name) == view.codes[name].shape[1] > 1:
            return name, torch.eye(view.classes(name), device=device)[:MOST_CLASSES]
    raise Inapplicable("no latent is a class beside a style, and the model is under no label")


def _given(view: View, name: str, value: Tensor, count: int) -> dict[str, Tensor]:
    """The conditions of the first so many examples, and one class for all of them."""
    rows = torch.arange(count, device=view.subject.device) % len(view)
    given = {key: condition[rows] for key, condition in view.given.items()}
    return given | {name: value.expand(count, *value.shape)}
