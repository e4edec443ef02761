"""What a generator of classes makes up: sides that it was not shown, parts by arithmetic."""

from __future__ import annotations

from pathlib import Path

import torch

from vaebench.measures.base import Inapplicable
from vaebench.measures.transfer import (
    Sums,
    around,
    generated,
    nearest_known,
    seen_from,
    shown,
)
from vaebench.pictures.paper import save_sheet
from vaebench.pictures.view import View

MODELS, SIDES, SHOWN = 4, 12, 8
FRONT = torch.zeros(1, dtype=torch.long)
"""The azimuth that arithmetic is shown from."""


@torch.no_grad()
def sides(view: View) -> list[Path]:
    """Models of few sides all around: E[x | c, view], the truth, and the nearest side that was shown."""
    data, model = generated(view.subject)
    if not data.few:
        raise Inapplicable("no side is withheld, as dataset.few has it")
    first, azimuths = data.counts["model"] - data.few, around(data, SIDES)
    known, images, rows = {*data.known.tolist()}, [], []
    for number in range(first, first + min(MODELS, data.few)):
        values = seen_from(torch.tensor([number]), azimuths)
        nearest = data.render(nearest_known(data, values))
        images += [shown(view.subject, model, data, values), data.render(values), nearest]
        rows += [f"model {number}", "rendered", "nearest shown"]
    columns = ["shown" if azimuth in known else "" for azimuth in azimuths.tolist()]
    title = "models of few sides, from all sides"
    return [save_sheet(view.folder / "sides.png", torch.cat(images), rows, columns, title)]


@torch.no_grad()
def parts(view: View) -> list[Path]:
    """A part by arithmetic: what the code A′ - A + B shows, where A′ is A with a part more, beside the
    truth B′."""
    data, model = generated(view.subject)
    sums = Sums.of(data, SHOWN, FRONT)
    if not len(sums.plain):
        raise Inapplicable("there are no two pairs of models")
    own = (shown(view.subject, model, data, v) for v in (sums.lender, sums.lent, sums.plain))
    kinds = [*own, sums.shown(view.subject, model, data), data.render(sums.more)]
    columns = ["A", "A′", "B", "A′ - A + B", "rendered B′"]
    sheet, title = torch.stack(kinds, 1).flatten(0, 1), "a part that one model lends another"
    rows = [""] * len(sums.plain)
    return [save_sheet(view.folder / "parts.png", sheet, rows, columns, title)]
