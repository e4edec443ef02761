"""Ways through latent space: between examples, along dimensions, by arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from vaebench.measures.base import Inapplicable
from vaebench.measures.pictures.paper import save_animation, save_sheet
from vaebench.measures.pictures.view import Point, View

ENDS = 5  # pairs of examples
STEPS = 9  # points of a way, ends included
FRAMES = 24
DIMENSIONS = 12
TRIPLES = 6
PEOPLE = 10


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


def interpolations(view: View) -> list[Path]:
    """Decoded ways between the codes of pairs of examples, straight and along the sphere."""
    first, second = _pairs(view)
    t = torch.linspace(0, 1, STEPS, device=view.subject.device)
    rows, names = [], []
    ways = {"linear": _ways(view, linear, first, second, t)}
    ways["spherical"] = _ways(view, spherical, first, second, t)
    for i in range(len(first)):
        for kind, images in ways.items():
            rows.append(
                torch.cat([view.images[first[i]][None], images[i], view.images[second[i]][None]])
            )
            names.append(kind)
    columns = ["x", *(f"{x:.2f}" for x in t.tolist()), "x'"]
    title = "from one example's code to another's"
    written = [
        save_sheet(view.folder / "interpolations.png", torch.cat(rows), names, columns, title)
    ]
    fine = torch.linspace(0, 1, FRAMES, device=view.subject.device)
    frames = _ways(view, spherical, first, second, fine).unbind(1)
    path = view.folder / "interpolations.gif"
    return [*written, save_animation(path, frames, len(first))]


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


def _ways(
    view: View,
    way: Callable[[Tensor, Tensor, Tensor], Tensor],
    first: Sequence[int],
    second: Sequence[int],
    t: Tensor,
) -> Tensor:
    """Images along ways between examples, `[pairs, T, C, H, W]`."""
    z = {}
    for name, code in view.codes.items():
        flat = code.flatten(1)
        z[name] = way(flat[list(first)], flat[list(second)], t).reshape(-1, *code.shape[1:])
    starts = torch.tensor(first, device=view.subject.device).repeat_interleave(len(t))
    return view.decode(z, starts).unflatten(0, (len(first), len(t)))


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
    columns = torch.stack([view.images[a], view.images[b], view.images[c], view.decode(z, a)], 1)
    return [
        save_sheet(
            view.folder / "arithmetic.png",
            columns.flatten(0, 1),
            [""] * count,
            ["a", "b", "c", "a - b + c"],
            "the code of a, minus that of b, plus that of c",
        )
    ]
