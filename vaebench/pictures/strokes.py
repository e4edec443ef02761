"""How a canvas is painted: step by step, with the places where the model looks and writes."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from vaebench.config.chosen import chosen
from vaebench.measures.base import Inapplicable
from vaebench.models import DRAW
from vaebench.models.draw import Step
from vaebench.nets.attention import Window, window
from vaebench.pictures.paper import Box, boxed, coloured, save_animation, save_sheet
from vaebench.pictures.view import View
from vaebench.trace import Trace

ROWS = 4  # examples of a filmstrip
SAMPLES = 8  # rows of samples, columns of an animation
COLUMNS = 10  # steps that a filmstrip shows
PACE, HOLD = 160, 2000  # milliseconds of a step, and of the last
READ, WRITTEN = (46, 160, 67), (214, 39, 40)

STRIDES = (0.25, 0.5, 0.75, 1.0)  # δ̂
SPREADS = (0.25, 1.0, 3.0)  # σ, in pixels
FILTERS = 12  # on each side of the grid that shows what they do


@dataclass(frozen=True)
class Painting:
    """A canvas over time.

    Attributes:
        images: E[x | c_t], `[T, n, C, H, W]`.
        steps: where it was read and written.
    """

    images: Tensor
    steps: list[Step]

    def shown(self, t: int, n: int) -> Tensor:
        """The first n canvases after step t, with where it wrote."""
        return boxed(self.images[t][:n], [boxes_of(self.steps[t].written, n)], WRITTEN)


def canvas(view: View) -> list[Path]:
    """Data with where the model looked, and the canvas with where it wrote, t = 1, …, T: a strip
    of some steps, and an animation of all of them above samples from the prior."""
    rebuilt, made = _reconstructed(view), _sampled(view)
    at, looks = some_of(len(rebuilt.steps)), rebuilt.steps[0].read is not None
    rows, names = [], []
    for i in range(min(ROWS, len(view))):
        if looks:
            rows += [_seen(view, rebuilt, t, i + 1)[i] for t in at]
            names.append("x, read")
        rows += [rebuilt.shown(t, i + 1)[i] for t in at]
        names.append("canvas, written" if rebuilt.steps[0].written else "canvas")
    title = "the canvas step by step (green: where q reads, red: where p writes)"
    strip = view.folder / "canvas.png"
    written = [save_sheet(strip, torch.stack(rows), names, _columns(at), title)]
    n = min(SAMPLES, len(view))
    frames = []
    for t in range(len(rebuilt.steps)):
        above = [_seen(view, rebuilt, t, n)] if looks else []
        frames.append(torch.cat([*above, rebuilt.shown(t, n), made.shown(t, n)]))
    path = view.folder / "canvas.gif"
    return [*written, save_animation(path, frames, n, pace=PACE, hold=HOLD)]


def strokes(view: View) -> list[Path]:
    """Samples from the prior after each step, with where the model wrote."""
    made = _sampled(view)
    n, at = min(SAMPLES, len(view)), some_of(len(made.steps))
    images = torch.stack([made.shown(t, n) for t in at], 1).flatten(0, 1)
    title = "samples from the prior, step by step"
    names = [f"sample {i + 1}" for i in range(n)]
    return [save_sheet(view.folder / "strokes.png", images, names, _columns(at), title)]


def filters(view: View) -> list[Path]:
    """What a grid of filters in the middle of an image reads, by its stride δ and their width σ."""
    if not any(part.n for part in (_painter(view).read, _painter(view).write)):
        raise Inapplicable("with model.attention=false there is no grid of filters")
    image = view.images[:1].cpu()
    size = image.shape[-2:]
    boxes = [boxes_of(_middle(stride, 1.0, size), 1) for stride in STRIDES]
    rows = [boxed(image, [box], READ) for box in boxes]
    for sd in SPREADS:
        patches = torch.cat([_middle(stride, sd, size).read(image) for stride in STRIDES])
        rows.append(coloured(F.interpolate(patches.clamp(0, 1), rows[0].shape[-2:])))
    names = ["x", *(f"σ = {sd:g}" for sd in SPREADS)]
    columns = [f"δ̂ = {stride:g}" for stride in STRIDES]
    title = f"what {FILTERS}×{FILTERS} filters read"
    return [save_sheet(view.folder / "filters.png", torch.cat(rows), names, columns, title)]


def _middle(stride: float, sd: float, size: tuple[int, ...]) -> Window:
    """The grid at ĝ = 0 with γ = 1."""
    logs = torch.tensor([sd**2, stride, 1.0]).log()
    return window(torch.cat([torch.zeros(2), logs]), FILTERS, size)


@torch.no_grad()
def _reconstructed(view: View) -> Painting:
    """What the model paints of the examples, at one z ~ q(z | x)."""
    model, n = _painter(view), len(view)
    q = Trace(1, n, view.batch, noise=view.noise)
    p = Trace(1, n, ChainMap(q.values, dict(view.batch)))
    return _painted(view, model, list(model.steps(p, q, view.batch, view.batch)))


@torch.no_grad()
def _sampled(view: View) -> Painting:
    """What it paints of z ~ p(z)."""
    view.subject.need_bound()
    model = _painter(view)
    p = Trace(1, len(view), view.given, noise=view.noise)
    return _painted(view, model, list(model.steps(p, None, view.given, {})))


def _painter(view: View) -> DRAW:
    model = view.subject.model
    if not isinstance(model, DRAW):
        raise Inapplicable(f"{chosen('model')} paints no canvas")
    _ = view.name
    return model


def _painted(view: View, model: DRAW, steps: list[Step]) -> Painting:
    shape = (1, len(view), *model.canvas.shape)
    means = [model.likelihood.mean_for_params(s.canvas.expand(shape))[0] for s in steps]
    return Painting(torch.stack(means).cpu(), steps)


def _seen(view: View, painting: Painting, t: int, n: int) -> Tensor:
    """The first n examples with where step t read."""
    return boxed(view.images[:n].cpu(), [boxes_of(painting.steps[t].read, n)], READ)


def boxes_of(grid: Window | None, n: int) -> list[Box]:
    """Where the filters' centres are, for each of n examples; nothing without a grid."""
    if grid is None:
        return []
    ends = [mean[..., i] for i in (0, -1) for mean in (grid.mean_x, grid.mean_y)]
    corners = torch.stack(ends, -1).detach().cpu().reshape(-1, 4)
    rows = corners.expand(n, 4) if len(corners) == 1 else corners[:n]
    return [Box(*row) for row in rows.tolist()]


def some_of(count: int) -> list[int]:
    """Steps that are shown, the first and the last among them."""
    return torch.linspace(0, count - 1, min(count, COLUMNS)).round().long().tolist()


def _columns(steps: Sequence[int]) -> list[str]:
    return [f"t = {t + 1}" for t in steps]
