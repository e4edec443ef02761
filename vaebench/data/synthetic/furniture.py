"""Chairs, tables and cars of boxes, cylinders and ellipsoids.

They come in pairs: the second is the first with one part more, arms of a chair, a shelf under a table,
a rack on a car.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Literal

from vaebench.data.synthetic.solids import Solid

Thing = Literal["chair", "table", "car"]
Colour = Sequence[float]

REACH = 0.7
"""The distance of everything from the middle of the picture at most."""

DARK: Colour = (0.15, 0.15, 0.17)
GLASS: Colour = (0.25, 0.35, 0.45)
LAMP: Colour = (0.95, 0.9, 0.6)


def things(kinds: Sequence[Thing], number: int, seed: int) -> list[list[Solid]]:
    """So many of these kinds in turn: the same first ones, however many there are.

    Args:
        seed: of sizes, parts and colours.
    """
    made: list[list[Solid]] = []
    for pair in range((number + 1) // 2):
        draw = Random(f"{seed} {pair}")
        plain, more = MAKES[kinds[pair % len(kinds)]](draw)
        made += _fitted(plain, more)
    return made[:number]


def _fitted(plain: list[Solid], more: list[Solid]) -> tuple[list[Solid], list[Solid]]:
    """Both of a pair, of one scale, about the middle of the first."""
    low = min(s.centre[1] - s.half[1] for s in plain if not s.upright)
    high = max(s.centre[1] + s.half[1] for s in plain if not s.upright)
    middle = (low + high) / 2
    moved = [
        replace(s, centre=(s.centre[0], s.centre[1] - middle, s.centre[2])) for s in plain + more
    ]
    scale = REACH / max(s.reach for s in moved)
    scaled = [
        replace(s, centre=[scale * c for c in s.centre], half=[scale * h for h in s.half])
        for s in moved
    ]
    return scaled[: len(plain)], scaled


def _vivid(draw: Random) -> Colour:
    return colorsys.hsv_to_rgb(draw.random(), draw.uniform(0.4, 0.9), draw.uniform(0.5, 0.95))


def _wood(draw: Random) -> Colour:
    return colorsys.hsv_to_rgb(
        draw.uniform(0.05, 0.12), draw.uniform(0.3, 0.7), draw.uniform(0.3, 0.8)
    )


def _legs(draw: Random, colour: Colour, w: float, d: float, top: float, h: float) -> list[Solid]:
    """Four legs, a foot in the middle, or two runners, under what ends at the height `top`."""
    r = draw.uniform(0.025, 0.05)
    style = draw.choice(["four", "four", "round", "foot", "runners"])
    middle = top - h / 2
    if style == "foot":
        foot = Solid(
            "cylinder", (0, top - h + 0.03, 0), (0.03, 0.8 * d, 0.8 * w), colour, upright=True
        )
        return [
            Solid("cylinder", (0, middle, 0), (h / 2, 1.6 * r, 1.6 * r), colour, upright=True),
            foot,
        ]
    corners = [(x * (w - r), z * (d - r)) for x in (-1, 1) for z in (-1, 1)]
    if style == "round":
        return [
            Solid("cylinder", (x, middle, z), (h / 2, r, r), colour, upright=True)
            for x, z in corners
        ]
    legs = [Solid("box", (x, middle, z), (r, h / 2, r), colour) for x, z in corners]
    if style == "runners":
        legs += [Solid("box", (x * (w - r), top - h + r, 0), (r, r, d), colour) for x in (-1, 1)]
    return legs


def _chair(draw: Random) -> tuple[list[Solid], list[Solid]]:
    w, d, h = draw.uniform(0.28, 0.4), draw.uniform(0.28, 0.38), draw.uniform(0.35, 0.5)
    thick, high, tilt = draw.uniform(0.03, 0.07), draw.uniform(0.35, 0.65), draw.uniform(0.0, 0.25)
    cover, frame = _vivid(draw), draw.choice([_wood(draw), DARK])
    seat = Solid("box", (0, 0, 0), (w, thick, d), cover)
    back = _back(draw, draw.choice([cover, frame]), w, d, high, tilt)
    level, r = draw.uniform(0.18, 0.26), 0.035
    arms = []
    for x in (-w - r, w + r):
        arms.append(Solid("box", (x, level, 0), (r, 0.03, d), frame))
        arms.append(Solid("box", (x, level / 2, 0.7 * d), (r, level / 2, r), frame))
    legs = _legs(draw, frame, w, d, -thick, h)
    return [seat, *back, *legs], arms


def _back(
    draw: Random, colour: Colour, w: float, d: float, high: float, tilt: float
) -> list[Solid]:
    """Solid, of upright bars, or of rungs; it leans back from the seat's rear edge."""

    def lean(x: float, low: float, top: float, wide: float) -> Solid:
        along = (low + top) / 2
        centre = (x, along * math.cos(tilt), -d + 0.03 - along * math.sin(tilt))
        return Solid("box", centre, (wide, (top - low) / 2, 0.03), colour, tilt)

    style = draw.choice(["solid", "solid", "bars", "rungs"])
    if style == "solid":
        return [lean(0, 0, high, w)]
    posts = [lean(x, 0, high, 0.03) for x in (-w + 0.03, w - 0.03)]
    if style == "bars":
        bars = [lean(x * w, 0, high, 0.03) for x in (-0.4, 0, 0.4)]
        return [*posts, *bars, lean(0, high - 0.08, high, w)]
    return posts + [lean(0, share * high, share * high + 0.09, w) for share in (0.35, 0.6, 0.85)]


def _table(draw: Random) -> tuple[list[Solid], list[Solid]]:
    w, d, h = draw.uniform(0.4, 0.7), draw.uniform(0.3, 0.5), draw.uniform(0.4, 0.7)
    cover, frame = draw.choice([_vivid(draw), _wood(draw)]), draw.choice([_wood(draw), DARK])
    top = Solid("box", (0, 0, 0), (w, 0.04, d), cover)
    if draw.random() < 0.4:
        top = Solid("cylinder", (0, 0, 0), (0.04, d, w), cover, upright=True)
    legs = _legs(draw, frame, 0.7 * w, 0.7 * d, -0.03, h)
    floor = Solid("box", (0, -h, 0), (0.01, 0.01, 0.01), frame)
    return [top, *legs, floor], [Solid("box", (0, -0.6 * h, 0), (0.7 * w, 0.03, 0.7 * d), cover)]


def _car(draw: Random) -> tuple[list[Solid], list[Solid]]:
    w, long, h = draw.uniform(0.24, 0.3), draw.uniform(0.55, 0.7), draw.uniform(0.1, 0.15)
    cabin, up = draw.uniform(0.25, 0.42), draw.uniform(0.09, 0.14)
    at, r, paint = draw.uniform(-0.15, 0.02), draw.uniform(0.1, 0.13), _vivid(draw)
    body = [
        Solid("box", (0, 0, 0), (w, h, long), paint),
        Solid("box", (0, h + up, at), (0.86 * w, up, cabin), paint),
        Solid("box", (0, h + up, at), (0.87 * w, 0.65 * up, 0.85 * cabin), GLASS),
        Solid("box", (0, h + up, at), (0.7 * w, 0.65 * up, 1.01 * cabin), GLASS),
        Solid("box", (0, -0.6 * h, 0), (0.95 * w, 0.3 * h, 1.04 * long), DARK),
    ]
    wheels = [
        Solid("cylinder", (x * w, -h, z * 0.62 * long), (0.06, r, r), DARK)
        for x in (-1, 1)
        for z in (-1, 1)
    ]
    lamps = [
        Solid("ellipsoid", (x * 0.7 * w, 0.2 * h, long), (0.05, 0.05, 0.03), LAMP) for x in (-1, 1)
    ]
    rails = [
        Solid("box", (0, h + 2 * up + 0.03, at + z * cabin), (0.8 * w, 0.03, 0.04), DARK)
        for z in (-0.6, 0, 0.6)
    ]
    return [*body, *wheels, *lamps], rails


MAKES: dict[Thing, Callable[[Random], tuple[list[Solid], list[Solid]]]] = {
    "chair": _chair,
    "table": _table,
    "car": _car,
}
