"""Ways through latent space: between examples, along dimensions, by arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vaebench.measures.base import Inapplicable
from vaebench.pictures.paper import save_animation, save_sheet
from vaebench.pictures.view import Point, View

ENDS = 5  # pairs of examples
STEPS = 9  # points of a way, ends included
FRAMES = 24
DIMENSIONS = 12
TRIPLES = 6
PEOPLE = 10

Way = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Ends `[n, D]` and parts of the way `[T]` → `[n, T, D]`."""


def linear(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """(1 - t) a + t b for vectors a, b `[n, D]` and t `[T]`, `[n, T, D]`."""
    t = t.view(1, -1, 1)
    return (1 - t) * a.unsqueeze(1) + t * b.unsqueeze(1)


def spherical(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """sin((1 - t) Ω) / sin Ω a + sin(t Ω) / sin Ω b, with Ω the angle between a and b, `[n, T, D]`.

    It keeps to the shell where a Gaussian's samples are; where a and b are parallel it is linear.

    References:
        Sampling Generative Networks (White 2016), https://arxiv.org/abs/1609.04468
    """
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=-1).clamp(-1, 1)
    angle = cosine.acos().view(-1, 1, 1)
    t = t.view(1, -1, 1)
    flat = angle.sin().abs() < 1e-4
    sine = torch.where(flat, torch.ones_like(angle), angle.sin())
    first = torch.where(flat, 1 - t, ((1 - t) * angle).sin() / sine)
    second = torch.where(flat, t, (t * angle).sin() / sine)
    return first * a.unsqueeze(1) + second * b.unsqueeze(1)


def along(way: Way, a: Point, b: Point, t: Tensor) -> Point:
    """Ways between points `[n, *event]` by latent at `[T]` parts of the way, `[n · T, *event]`."""
    return {
        name: way(z.flatten(1), b[name].flatten(1), t).reshape(-1, *z.shape[1:])
        for name, z in a.items()
    }


def interpolations(view: View) -> list[Path]:
    """Decoded ways between the codes of pairs of examples, straight and along the sphere."""
    first, second = _pairs(view)
    a, b = ({name: z[rows] for name, z in view.codes.items()} for rows in (first, second))
    ways = Ways(view, a, b, first)
    ends = view.images[first].unsqueeze(1), view.images[second].unsqueeze(1)
    images = {kind: torch.cat([ends[0], way, ends[1]], 1) for kind, way in ways.shown().items()}
    columns = ["x", *ways.columns, "x'"]
    return ways.save("interpolations", images, columns, "from one example's code to another's")


def walk_of_images(view: View) -> list[Path]:
    """Decoded ways between pairs of draws z ~ p(z), straight and along the sphere."""
    _ = view.name
    a, b, rows = drawn_pairs(view, ENDS)
    ways = Ways(view, a, b, rows)
    title = "from one draw of the prior to another"
    return ways.save("prior_walk", ways.shown(), ways.columns, title)


def drawn_pairs(view: View, most: int) -> tuple[Point, Point, list[int]]:
    """Pairs of draws z ~ p(z), and whose conditions each pair is under."""
    rows = list(range(min(most, len(view) // 2)))
    if not rows:
        raise Inapplicable("one draw has nowhere to go: at least two are needed")
    z = view.draws(rows * 2)
    n = len(rows)
    return {name: x[:n] for name, x in z.items()}, {name: x[n:] for name, x in z.items()}, rows


@dataclass(frozen=True)
class Ways:
    """Ways between n pairs of points, as images.

    Attributes:
        view: the model.
        a, b: where they begin and end, `[n, *event]` by latent.
        rows: whose conditions each is decoded under.
    """

    view: View
    a: Point
    b: Point
    rows: Sequence[int]

    @property
    def columns(self) -> list[str]:
        """How far along."""
        return [f"{x:.2f}" for x in torch.linspace(0, 1, STEPS).tolist()]

    def shown(self) -> dict[str, Tensor]:
        """`[n, T, C, H, W]` of each kind."""
        return {way.__name__: self._decoded(way, STEPS) for way in (linear, spherical)}

    def save(
        self, name: str, images: Mapping[str, Tensor], columns: Sequence[str], title: str
    ) -> list[Path]:
        """A sheet of each way's kinds one below the other, and an animation of the spherical."""
        sheet = torch.stack(list(images.values()), 1).flatten(0, 2)
        kinds, stem = list(images) * len(self.rows), self.view.folder / name
        frames = self._decoded(spherical, FRAMES).unbind(1)
        return [
            save_sheet(stem.with_suffix(".png"), sheet, kinds, columns, title),
            save_animation(stem.with_suffix(".gif"), frames, len(self.rows)),
        ]

    def _decoded(self, way: Way, steps: int) -> Tensor:
        t = torch.linspace(0, 1, steps, device=self.view.subject.device)
        starts = torch.tensor(self.rows, device=t.device).repeat_interleave(steps)
        images = self.view.decode(along(way, self.a, self.b, t), starts)
        return images.unflatten(0, (len(self.rows), steps))


def _pairs(view: View) -> tuple[list[int], list[int]]:
    """Examples to go between, of different labels where there are any."""
    if len(view) < 2:
        raise Inapplicable("one example has nowhere to go: at least two are needed")
    try:
        labels = view.labels.tolist()
    except Inapplicable:
        labels = list(range(len(view)))
    pairs, used = [], set[int]()
    for a in range(len(view)):
        b = next(
            (j for j in range(a + 1, len(view)) if j not in used and labels[j] != labels[a]), None
        )
        if a in used or b is None:
            continue
        used |= {a, b}
        pairs.append((a, b))
    pairs = pairs[:ENDS] or [(0, 1)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def traversals(view: View) -> list[Path]:
    """One example's code with one dimension at a time moved from -3 to 3, a bit's probability from
    0 to 1, those that carry most first."""
    measured, carried = view.divergences()
    chosen = sorted(carried, key=lambda key: -carried[key])[:DIMENSIONS]
    coarse, fine = (torch.linspace(0, 1, n).tolist() for n in (11, FRAMES))
    images = torch.cat([_moved(view, name, d, coarse) for name, d in chosen])
    names = [f"{name}.{d}  {measured} {carried[name, d]:.2f}" for name, d in chosen]
    low, high = view.ends(chosen[0][0])
    columns = [f"{round(low + (high - low) * t, 1) + 0.0:+.1f}" for t in coarse]  # not -0.0
    title = "one dimension at a time, by what it carries"
    sheet = save_sheet(view.folder / "traversals.png", images, names, columns, title)
    frames = torch.stack([_moved(view, name, d, fine) for name, d in chosen], 1).unbind(0)
    return [sheet, save_animation(view.folder / "traversals.gif", frames, 4)]


def _moved(view: View, name: str, dimension: int, ways: Sequence[float]) -> Tensor:
    """The first example decoded with one dimension at each part of its way, `[ways, C, H, W]`."""
    z: Point = {
        n: code[:1].repeat(len(ways), *(1,) * (code.ndim - 1)) for n, code in view.codes.items()
    }
    low, high = view.ends(name)
    values = low + (high - low) * torch.tensor(ways, device=view.subject.device)
    z[name].flatten(1)[:, dimension] = values
    return view.decode(z)


def arithmetic(view: View) -> list[Path]:
    """z - mean of its class + mean of another; without labels z_a - z_b + z_c of three examples."""
    try:
        labels = view.labels
    except Inapplicable:
        return _of_three(view)
    means = view.class_means
    classes = sorted(means)
    if len(classes) < 2:
        raise Inapplicable("the examples are all of one class")
    people = [labels.tolist().index(c) for c in classes if c in labels.tolist()][:PEOPLE]
    rows = []
    for i in people:
        own = means[int(labels[i])]
        z = {
            name: torch.stack([code[i] - own[name] + means[c][name] for c in classes])
            for name, code in view.codes.items()
        }
        rows.append(torch.cat([view.images[i][None], view.decode(z, i)]))
    names = [f"class {int(labels[i])}" for i in people]
    columns = ["x", *(f"→ {c}" for c in classes)]
    title = "z - mean code of its own class + mean code of another"
    return [save_sheet(view.folder / "arithmetic.png", torch.cat(rows), names, columns, title)]


def _of_three(view: View) -> list[Path]:
    if len(view) < 3:
        raise Inapplicable("arithmetic without labels needs three examples")
    count = min(TRIPLES, len(view) // 3)
    a, b, c = (torch.arange(i, 3 * count, 3, device=view.subject.device) for i in range(3))
    z = {name: code[a] - code[b] + code[c] for name, code in view.codes.items()}
    images = torch.stack([view.images[a], view.images[b], view.images[c], view.decode(z, a)], 1)
    path, title = view.folder / "arithmetic.png", "the code of a, minus that of b, plus that of c"
    columns = ["a", "b", "c", "a - b + c"]
    return [save_sheet(path, images.flatten(0, 1), [""] * count, columns, title)]
