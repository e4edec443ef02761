"""Ways through latent space: between examples, along dimensions, by arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from vaebench.inference import encode
from vaebench.measures.base import Inapplicable, Subject
from vaebench.pictures.paper import FRAME, save_animation, save_sheet
from vaebench.pictures.view import Point, View

ENDS = 5  # pairs of examples
STEPS = 9  # points of a way, ends included
COARSE, FRAMES = 11, 24  # points of one dimension's, on a sheet and in an animation
PACE_OF_CLASSES = 400  # milliseconds
DIMENSIONS = 12
TRIPLES = 6
PEOPLE = 10
POOL = 1000
"""Examples whose codes class means are taken over."""

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
    """Decoded ways between the codes of pairs of examples, straight and, of real numbers, along the
    sphere."""
    first, second = _pairs(view)
    a, b = ({name: z[rows] for name, z in view.codes.items()} for rows in (first, second))
    ends = view.images[first], view.images[second]
    title = "from one example's code to another's"
    return _save_ways(view, "interpolations", a, b, first, title, ends)


def walk_of_images(view: View) -> list[Path]:
    """Decoded ways between pairs of draws z ~ p(z), straight and, of real numbers, along the sphere."""
    _ = view.name
    title = "from one draw of the prior to another"
    return _save_ways(view, "prior_walk", *drawn_pairs(view, ENDS), title)


def drawn_pairs(view: View, most: int) -> tuple[Point, Point, list[int]]:
    """Pairs of draws z ~ p(z), and whose conditions each pair is under."""
    rows = list(range(min(most, len(view) // 2)))
    if not rows:
        raise Inapplicable("one draw has nowhere to go: at least two are needed")
    z = view.draws(rows * 2)
    n = len(rows)
    return {name: x[:n] for name, x in z.items()}, {name: x[n:] for name, x in z.items()}, rows


def _save_ways(
    view: View,
    name: str,
    a: Point,
    b: Point,
    rows: Sequence[int],
    title: str,
    ends: Sequence[Tensor] = (),
) -> list[Path]:
    """A sheet of the ways between n pairs of points, straight and, of real numbers, spherical one
    below the other, and an animation of the last.

    Args:
        a, b: where they begin and end, `[n, *event]` by latent.
        rows: whose conditions each is decoded under.
        ends: images to show before and after each way, `[n, C, H, W]`.
    """

    def decoded(way: Way, steps: int) -> Tensor:
        t = torch.linspace(0, 1, steps, device=view.subject.device)
        starts = torch.tensor(rows, device=t.device).repeat_interleave(steps)
        return view.decode(along(way, a, b, t), starts).unflatten(0, (len(rows), steps))

    ways: dict[str, Way] = {"linear": linear}
    if not view.is_discrete:  # bits and classes lie on no sphere
        ways["spherical"] = spherical
    images = [decoded(way, STEPS) for way in ways.values()]
    columns = [f"{x:.2f}" for x in torch.linspace(0, 1, STEPS).tolist()]
    if ends:
        first, last = (end.unsqueeze(1) for end in ends)
        images = [torch.cat([first, way, last], 1) for way in images]
        columns = ["x", *columns, "x'"]
    sheet, stem = torch.stack(images, 1).flatten(0, 2), view.folder / name
    kinds, frames = [*ways] * len(rows), decoded([*ways.values()][-1], FRAMES).unbind(1)
    return [
        save_sheet(stem.with_suffix(".png"), sheet, kinds, columns, title),
        save_animation(stem.with_suffix(".gif"), frames, len(rows)),
    ]


def _pairs(view: View) -> tuple[list[int], list[int]]:
    """Examples to go between, of different labels where there are any."""
    if len(view) < 2:
        raise Inapplicable("one example has nowhere to go: at least two are needed")
    free, pairs, label = list(range(len(view))), list[tuple[int, int]](), view.subject.label
    labels = list(free) if label is None else view.batch[label].tolist()
    while free:
        a = free.pop(0)
        b = next((other for other in free if labels[other] != labels[a]), None)
        if b is not None:
            free.remove(b)
            pairs.append((a, b))
    pairs = pairs[:ENDS] or [(0, 1)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def traversals(view: View) -> list[Path]:
    """One example's code with one dimension at a time moved from -3 to 3, a bit's probability from
    0 to 1, a variable through its classes, those that carry most first."""
    measured, carried = view.divergences()
    moved = [key for key in carried if key[0] in view.moved]
    chosen = sorted(moved, key=lambda key: -carried[key])[:DIMENSIONS]
    images = torch.cat([_moved(view, name, d, COARSE) for name, d in chosen])
    names = [f"{name}.{d}  {measured} {carried[name, d]:.2f}" for name, d in chosen]
    stops = view.way(chosen[0][0], COARSE)
    if of_classes := stops.shape[1] > 1:
        columns = [str(c) for c in range(len(stops))]
    else:
        columns = [f"{round(stop, 1) + 0.0:+.1f}" for stop in stops[:, 0].tolist()]  # not -0.0
    title = f"one {'variable' if of_classes else 'dimension'} at a time, by what it carries"
    sheet = save_sheet(view.folder / "traversals.png", images, names, columns, title)
    frames = torch.stack([_moved(view, name, d, FRAMES) for name, d in chosen], 1).unbind(0)
    pace = PACE_OF_CLASSES if of_classes else FRAME
    return [sheet, save_animation(view.folder / "traversals.gif", frames, 4, pace=pace)]


def _moved(view: View, name: str, variable: int, points: int) -> Tensor:
    """The first example decoded with one variable at each point of its way, `[T, C, H, W]`."""
    stops = view.way(name, points)
    z = {n: torch.cat([code[:1]] * len(stops)) for n, code in view.codes.items()}
    z[name].flatten(1).unflatten(1, (-1, stops.shape[1]))[:, variable] = stops
    return view.decode(z)


def arithmetic(view: View) -> list[Path]:
    """z - mean of its class + mean of another; without labels z_a - z_b + z_c of three examples."""
    label = view.subject.label
    if label is None:
        return _of_three(view)
    labels, means = view.batch[label], _class_means(view.subject, label)
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


def _class_means(subject: Subject, label: str) -> dict[int, Point]:
    """Label → mean code of the first examples that have it."""
    many = subject.batch(POOL)
    z, y = encode(subject.model, many), many[label]
    return {
        c: {name: code[y == c].mean(0) for name, code in z.items()} for c in sorted(set(y.tolist()))
    }


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
