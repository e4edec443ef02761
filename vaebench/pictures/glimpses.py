"""Where a classifier looks: its glimpses of an image, one after the other."""

from __future__ import annotations

from collections import ChainMap
from pathlib import Path

import torch
from torch import Tensor

from vaebench.config.chosen import chosen
from vaebench.data import Support
from vaebench.measures.base import Inapplicable
from vaebench.models import RAM, DRAWClassifier
from vaebench.nets.retina import Retina
from vaebench.pictures.paper import Box, boxed, save_animation, save_sheet
from vaebench.pictures.strokes import READ, boxes_of, some_of
from vaebench.pictures.view import View
from vaebench.trace import Trace

ROWS = 6  # examples of a filmstrip
SHOWN = 8  # columns of an animation
PACE, HOLD = 600, 1800  # milliseconds of a glimpse, and of the last

Layers = list[list[Box]]
"""Boxes of a glimpse: those of each crop, one of each example."""


def glimpses(view: View) -> list[Path]:
    """What of the image each glimpse covers, t = 1, …, G, of hard attention at one draw of the places:
    a strip of some glimpses with the label and what the model says of it, and an animation."""
    model = view.subject.model
    if not isinstance(model, DRAWClassifier | RAM):
        raise Inapplicable(f"{chosen('model')} looks through no glimpses")
    state, looks = _looked(view, model)
    images, at = view.batch[model.image].cpu(), some_of(len(looks))
    frames = [boxed(images, layers, READ) for layers in looks]
    rows = min(ROWS, len(view))
    strip = torch.stack([frames[t][:rows] for t in at], 1).flatten(0, 1)
    names = _told(view, model, state)[:rows]
    columns, title = [f"t = {t + 1}" for t in at], "where each glimpse lies"
    sheet = save_sheet(view.folder / "glimpses.png", strip, names, columns, title)
    shown = min(SHOWN, len(view))
    path = view.folder / "glimpses.gif"
    moving = [frame[:shown] for frame in frames]
    return [sheet, save_animation(path, moving, shown, pace=PACE, hold=HOLD)]


@torch.no_grad()
def _looked(view: View, model: DRAWClassifier | RAM) -> tuple[Tensor, list[Layers]]:
    """h_G, and where each glimpse lies."""
    n = len(view)
    if isinstance(model, DRAWClassifier):
        states, grids = zip(*model.steps(view.batch), strict=True)
        return states[-1], [[boxes_of(grid, n)] for grid in grids]
    q = Trace(1, n, view.batch, noise=view.noise)
    p = Trace(1, n, ChainMap(q.values, dict(view.batch)))
    states, places = zip(*model.steps(p, q, view.batch), strict=True)
    return states[-1], [_crops(model.retina, place.expand(1, n, 2)[0]) for place in places]


def _crops(retina: Retina, places: Tensor) -> Layers:
    """The edges of each crop at places `[n, 2]`."""
    first = retina.corners(places).transpose(0, 1) + 0.5  # between pixels, the first of which is 1
    last = first + (retina.n * retina.widths).view(-1, 1, 1)
    return [[Box(*ends) for ends in crop] for crop in torch.cat([first, last], -1).cpu().tolist()]


def _told(view: View, model: DRAWClassifier | RAM, state: Tensor) -> list[str]:
    """What stands beside each example: its label and the most probable one."""
    if view.subject.composition.data.spec[model.observed].support is not Support.LABEL:
        return [f"example {i + 1}" for i in range(len(view))]
    found = model.likelihood(state).mean.expand(1, len(view)).flatten().tolist()
    true = view.batch[model.observed].tolist()
    return [f"{y}, told {z}" for y, z in zip(true, found, strict=True)]
