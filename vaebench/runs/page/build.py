"""Runs to the text of a page: the data as JSON, Plotly's script inside."""

from __future__ import annotations

import base64
import gzip
import io
import json
import math
import os
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vaebench.runs.find import Run
from vaebench.runs.groups import Group, also_differ, columns, differing, groups
from vaebench.runs.history import read_arrays
from vaebench.runs.layout import CURVES, HISTORY, PICTURES
from vaebench.runs.metrics import known
from vaebench.runs.tables import main_metric, measured, of_examples

POINTS = 100
"""Points of a curve: more than a screen tells apart would only make the page heavy."""

PICTURES_BYTES = 6_000_000
"""Of all pictures together, before base64; what comes later is left out, and said so."""

PICTURE_SIDE = 360
DATA_URL = "data:image/png;base64,"


def build(runs: Sequence[Run], skipped: Sequence[str], title: str) -> str:
    """The page; runs of unlike subjects are in it together, told apart by a column."""
    from plotly.offline import get_plotlyjs

    members, metric, names = groups(runs), main_metric(runs), _metrics(runs)
    root = Path(os.path.commonpath([run.folder for run in runs]))
    pictures, left_out = _pictures(members)
    data = {
        "title": title,
        "root": str(root),
        "keys": columns(runs),
        "differing": differing(runs),
        "alsoDiffer": also_differ(runs),
        "ofExamples": of_examples(runs, metric),
        "examplesDiffer": len(measured(runs, metric)) > 1,
        "metric": metric,
        "higher": [name for name in names if known(name).higher],
        "metrics": names,
        "runs": [_run(run, i, root) for i, group in enumerate(members) for run in group.runs],
        "groups": [group.label for group in members],
        "pictures": pictures,
        "picturesLeftOut": left_out,
        "skipped": list(skipped),
    }
    return (
        _asset("page.html")
        .replace("{{title}}", escape(title))
        .replace("{{style}}", _asset("page.css"))
        .replace("{{data}}", _json(data))
        .replace("{{script}}", _asset("page.js"))
        .replace("{{plotly}}", _packed(get_plotlyjs()))
    )


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _packed(script: str) -> str:
    """A script to be unpacked by the page itself, once its table stands: a third of the size, and
    nobody waits for it."""
    return base64.b64encode(gzip.compress(script.encode(), mtime=0)).decode()


def _json(data: Any) -> str:
    """JSON that may stand inside a script element, without what JSON has no word for."""
    return json.dumps(data, ensure_ascii=False, default=str, allow_nan=False).replace("</", "<\\/")


def _metrics(runs: Sequence[Run]) -> list[str]:
    """Names of final metrics; the KL of every single dimension would drown the others."""
    return sorted({name for run in runs for name in run.metrics() if "_kl/" not in name})


def _run(run: Run, group: int, root: Path) -> dict[str, Any]:
    finite = {n: _rounded(v) for n, v in run.metrics().items() if math.isfinite(v)}
    return {
        "folder": os.path.relpath(run.folder, root),
        "group": group,
        "seed": run.seed,
        "examples": run.measured("test/"),
        "subject": " · ".join(run.subject[:2]),
        "options": {k: str(run.options[k]) for k in run.options},
        "metrics": {n: v for n, v in finite.items() if "_kl/" not in n},
        "curves": _curves(run),
    }


def _curves(run: Run) -> dict[str, list[list[float]]]:
    """Metric → [steps, values], thinned."""
    history = read_arrays(run.folder / HISTORY)
    steps = history.pop("step", np.zeros(0))
    names = [name for name in history if not name.startswith("test") and "_kl/" not in name]
    finite = {name: np.isfinite(history[name]) for name in names}
    return {n: _thinned(steps[at], history[n][at]) for n, at in finite.items() if at.sum() > 1}


def _thinned(steps: NDArray[Any], values: NDArray[Any]) -> list[list[float]]:
    """At most `POINTS` of the points, the first and the last among them."""
    index = np.unique(np.linspace(0, len(steps) - 1, min(POINTS, len(steps))).round().astype(int))
    return [[int(s) for s in steps[index]], [_rounded(v) for v in values[index]]]


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")


def _pictures(members: Sequence[Group]) -> tuple[list[dict[str, Any]], int]:
    """Each group's pictures, of its first seed, as data URLs; and how many groups had no room."""
    found: list[dict[str, Any]] = []
    room, left_out = PICTURES_BYTES, 0
    for number, group in enumerate(members):
        folder = group.runs[0].folder
        drawn = sorted((folder / PICTURES).glob("*.png"))
        named = {p.stem: _shrunk(p) for p in drawn if p != folder / CURVES}
        size = sum(len(data) for data in named.values())
        if size > room:
            left_out += 1
            continue
        room -= size
        urls = {n: DATA_URL + base64.b64encode(png).decode() for n, png in named.items()}
        if urls:
            found.append({"group": number, "seed": group.runs[0].seed, "pictures": urls})
    return found, left_out


def _shrunk(path: Any) -> bytes:
    """A picture of at most `PICTURE_SIDE` pixels a side; nothing where it cannot be read."""
    try:
        with Image.open(path) as image:
            image.load()
            small = image.convert("RGB")
    except OSError:
        return b""
    small.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    out = io.BytesIO()
    small.quantize(64).save(out, format="PNG", optimize=True)
    return out.getvalue()
